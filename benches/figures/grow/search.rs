//! Searches where there are many instances: how long the first page takes, for words that one
//! instance has, that some have, that all have and that none has.
//!
//! The directory is filled once and kept. Nothing is asked twice with the same word, but for those
//! that all instances have.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Res;
use crate::load::{self, Round, Times};
use crate::look::Look;
use crate::process::Server;
use crate::report::{MILLISECONDS, Report, Target};
use crate::start::{PER_WORKSPACE, kept, path};
use crate::wire::Request;

/// How many states there are, unless a variable says another number.
const STATES: (&str, &str) = ("FIGURES_SEARCH_STATES", "100000");
/// How many instances each has.
const INSTANCES: usize = 20;
/// How directories are filled; another number fills them anew.
const LAYOUT: u32 = 1;
const CLIENTS: usize = 32;
/// How many requests are made before they are sent.
const BATCH: usize = 10_000;
/// How often each kind is asked.
const ROUNDS: usize = 101;
/// How far apart the instances are that are asked for one after the other; a prime.
const APART: usize = 15_485_863;
/// How many states have an instance of the same name.
const NAMESAKES: usize = 100;
/// Every which page may take so long, in milliseconds: in the middle, and at the 99th percentile.
const MIDDLE: f64 = 100.0;
const PERCENTILE_99: f64 = 300.0;

pub(super) fn run(report: &mut Report) -> Res<()> {
    let (variable, usual) = STATES;
    let count: usize = std::env::var(variable)
        .unwrap_or_else(|_| usual.to_owned())
        .parse()?;
    let server = Server::on(&directory(count)?, &[])?;
    let mut connection = server.connect()?;
    let mut all = Vec::new();
    for (kind, finds, words) in kinds(count) {
        eprintln!("grow-search: {kind}");
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let target = format!("/api/search?limit=50&{}", words(round));
            let request = Request::get(&target, &server.secret);
            let began = Instant::now();
            let answer = connection.exchange(&request)?;
            took.push(began.elapsed().as_secs_f64());
            let answer: Value = serde_json::from_slice(answer)?;
            let found = answer.pointer("/found").and_then(Value::as_array);
            if found.is_some_and(Vec::is_empty) == finds || answer["behind"] != 0 {
                return Err(format!("{target}: {answer}").into());
            }
        }
        all.extend(&took);
        let rate = f64::from(u32::try_from(ROUNDS)?) / took.iter().sum::<f64>();
        let (cpu, times) = (None, Times::new(took));
        report.measured(kind, 1, &[Round { rate, cpu, times }]);
    }
    let times = Times::new(all);
    for (percent, most) in [(50, MIDDLE), (99, PERCENTILE_99)] {
        let value = times.percentile(percent).unwrap_or(f64::NAN) * 1e3;
        let name = format!("p{percent} of all first pages");
        report.figure(&name, vec![value], MILLISECONDS, Target::AtMost(most));
    }
    server.stop()
}

/// What is asked for, whether it finds anything, and the query of each round.
type Kind<'a> = (&'static str, bool, Box<dyn Fn(usize) -> String + 'a>);

fn kinds<'a>(states: usize) -> Vec<Kind<'a>> {
    let one = move |round: usize| (round * APART) % (states * INSTANCES);
    let workspaces = (states / PER_WORKSPACE).max(1);
    vec![
        (
            "an id, which one instance has",
            true,
            Box::new(move |round| format!("q={}", id(one(round)))),
        ),
        (
            "an address, which one instance has",
            true,
            Box::new(move |round| format!("q={}", address(one(round)))),
        ),
        (
            "a name, which 100 instances have",
            true,
            Box::new(move |round| format!("q={}", name(one(round)))),
        ),
        (
            "that name and an owner, which a quarter has",
            true,
            Box::new(move |round| format!("q={}%20{}", name(one(round)), owner(one(round)))),
        ),
        (
            "an owner, which a quarter has",
            true,
            Box::new(move |round| format!("q={}", owner(round))),
        ),
        (
            "an owner in one workspace",
            true,
            Box::new(move |round| {
                format!("q={}&workspace=w-{:03}", owner(round), round % workspaces)
            }),
        ),
        (
            "a type, which all have",
            true,
            Box::new(|_| "q=aws_instance".to_owned()),
        ),
        (
            "two words that no instance has both",
            false,
            Box::new(move |round| format!("q={}%20{}", id(one(round)), id(one(round) + 1))),
        ),
        (
            "a word that none has",
            false,
            Box::new(|round| format!("q=nothing-like-{round}")),
        ),
    ]
}

fn directory(count: usize) -> Res<PathBuf> {
    let what = format!("layout {LAYOUT}, {count} states, {INSTANCES} instances each");
    kept(&format!("figures-grow/search-{count}"), &what, |data| {
        fill(data, count)
    })
}

fn fill(data: &Path, count: usize) -> Res<()> {
    eprintln!("grow-search: {count} states of {INSTANCES} instances; only this time");
    let server = Server::on(data, &[])?;
    for first in (0..count).step_by(BATCH) {
        let requests = |client: usize| {
            let mine = (first + client..count.min(first + BATCH)).step_by(CLIENTS);
            mine.map(|state| Request::post(&path(state), &server.secret, body(state)))
                .collect::<Vec<_>>()
        };
        let all = (0..CLIENTS).map(requests).filter(|one| !one.is_empty());
        load::send_all(&server.process, &all.collect::<Vec<_>>())?;
        // What is to be indexed later would take the searches' time.
        Look::into(data)?.wait_until_indexed()?;
    }
    server.stop()
}

/// A state whose instances have ids and addresses that no other one has.
fn body(state: usize) -> Vec<u8> {
    let instance = |index: usize| {
        let number = state * INSTANCES + index;
        json!({
            "index_key": index, "schema_version": 1, "sensitive_attributes": [], "dependencies": [],
            "attributes": {
                "id": id(number), "private_ip": address(number),
                "arn": format!("arn:aws:ec2:eu-central-1:123456789012:instance/{}", id(number)),
                "ami": "ami-0123456789abcdef0", "instance_type": "m6i.large",
                "tags": { "Name": name(number), "Owner": owner(number) },
            },
        })
    };
    let resource = json!({
        "mode": "managed", "type": "aws_instance", "name": "main",
        "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
        "instances": (0..INSTANCES).map(instance).collect::<Vec<_>>(),
    });
    let state = json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 1,
        "lineage": format!("00000000-0000-4000-a000-{state:012}"),
        "outputs": {}, "resources": [resource], "check_results": null,
    });
    state.to_string().into_bytes()
}

/// Words that are spread as those of real instances are.
fn id(number: usize) -> String {
    let mixed = number.wrapping_mul(2_654_435_761) % 99_999_999_977;
    format!("i-{mixed:017x}")
}

fn address(number: usize) -> String {
    let [a, b, c] = [65_025, 255, 1].map(|unit| number / unit % 255);
    format!("10.{}.{b}.{c}", 100 + a)
}

fn name(number: usize) -> String {
    format!("app-{:06}", 100_000 + number / NAMESAKES)
}

fn owner(number: usize) -> &'static str {
    ["platform", "network", "payments", "search"][number % 4]
}
