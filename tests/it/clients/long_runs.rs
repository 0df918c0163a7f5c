//! Applies of more than 25 seconds: only then do the clients send snapshots of a state that is
//! still in the making, 20 seconds apart.
//!
//! They sleep nearly all of that time, so all of them sleep at once, in one test for each program.

use serde_json::{Value, json};

use super::module::{Backend, Module, resources};
use super::{Program, STATE, for_either_program};
use crate::harness::{Client, Server};

for_either_program![snapshots_and_races_of_long_applies];

type Scenario = (&'static str, fn(&Program));

const SCENARIOS: [Scenario; 4] = [
    (
        "the snapshots of one apply are versions of one lock",
        snapshots_of_one_apply_are_versions_of_one_lock,
    ),
    (
        "of two unlocked applies to a state, one is refused to its end",
        one_of_two_unlocked_applies_is_refused_to_its_end,
    ),
    (
        "of two unlocked first applies, the later overwrites the earlier",
        a_later_first_apply_overwrites_an_earlier_one,
    ),
    (
        "of two long unlocked first applies, both are in the history",
        two_long_first_applies_are_both_in_the_history,
    ),
];

fn snapshots_and_races_of_long_applies(program: &Program) {
    std::thread::scope(|scope| {
        let spawn = |(name, scenario): Scenario| {
            let thread = std::thread::Builder::new().name(name.to_owned());
            (
                name,
                thread
                    .spawn_scoped(scope, move || scenario(program))
                    .expect("a thread"),
            )
        };
        for (name, scenario) in SCENARIOS.map(spawn) {
            assert!(scenario.join().is_ok(), "not so: {name}");
        }
    });
}

fn snapshots_of_one_apply_are_versions_of_one_lock(program: &Program) {
    let server = Server::start();
    let (admin, backend) = (server.admin(), Backend::locking(&server.state(STATE)));
    let module =
        Module::new(program, &server.key("team", "writer"), &backend).ready(&sleepers("a", 22, 4));
    module.apply().ok();

    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!(
        (&versions[0]["serial"], &versions[1]["serial"]),
        (&2.into(), &1.into()),
        "{versions:?}"
    );
    assert_eq!(
        (&versions[0]["intermediate"], &versions[1]["intermediate"]),
        (&false.into(), &true.into()),
        "{versions:?}"
    );
    assert!(
        versions[0]["lock"].is_object() && versions[0]["lock"] == versions[1]["lock"],
        "{versions:?}"
    );
    let path = format!(
        "{}/versions?intermediate=false",
        crate::harness::state_path(STATE)
    );
    assert_eq!(
        admin.get(&path).expect_status(200).json()["versions"],
        serde_json::json!([versions[0]])
    );
    admin.expect_unlocked(STATE);
}

/// The loser's snapshot is refused; its last write then has a serial above the winner's snapshot,
/// and would go through if nobody remembered.
fn one_of_two_unlocked_applies_is_refused_to_its_end(program: &Program) {
    let server = Server::start();
    let (admin, backend) = (server.admin(), Backend::unlocked(&server.state(STATE)));
    let first = server.key("team", "writer");
    Module::new(program, &first, &backend)
        .ready(&resources(&["base"]))
        .apply()
        .ok();
    let mains =
        [("a", 22), ("b", 26)].map(|(name, wait)| resources(&["base"]) + &sleepers(name, wait, 9));
    let (winner, loser) = Race::new(program, &server, mains).run();

    let all = admin.versions(STATE).into_iter();
    let (refused, versions): (Vec<Value>, Vec<Value>) =
        all.partition(|version| version["kind"] == "rejected");
    assert_eq!(
        versions.len(),
        3,
        "the base, the winner's snapshot and its end: {versions:?}"
    );
    assert!(
        versions[..2]
            .iter()
            .all(|version| version["created_by"]["id"] == winner.key.key_id.as_str()),
        "{versions:?}"
    );
    assert_eq!(versions[0]["current"], true);
    assert!(
        versions
            .iter()
            .all(|version| version["lock"] == Value::Null),
        "{versions:?}"
    );
    let current = admin.read(STATE).expect_status(200).text();
    assert!(
        current.contains(&winner.last_resource()) && !current.contains(&loser.first_resource()),
        "{current}"
    );

    assert_eq!(
        refused.len(),
        2,
        "the loser's snapshot and its end: {refused:?}"
    );
    assert!(
        refused
            .iter()
            .all(|version| version["created_by"]["id"] == loser.key.key_id.as_str()),
        "{refused:?}"
    );
    assert!(
        refused
            .iter()
            .all(|version| version["rejected"] == "stale_write"),
        "{refused:?}"
    );
    let kept: Value =
        serde_json::from_str(&admin.version_text(STATE, &refused[0]["number"])).expect("a state");
    assert_eq!(
        kept["resources"],
        loser.module.json_file("errored.tfstate")["resources"]
    );
    assert!(kept.to_string().contains(&loser.first_resource()), "{kept}");
    assert_eq!(
        admin
            .events("kind=state.write_rejected&attention=true")
            .len(),
        2
    );
}

/// No server can tell the later apply from an update: it reads again before its first write and
/// goes on from the serial and lineage that it finds. (Its first write is the very state that it
/// found. An apply short enough to write only once never sends its own.)
fn a_later_first_apply_overwrites_an_earlier_one(program: &Program) {
    let server = Server::start();
    let (admin, backend) = (server.admin(), Backend::unlocked(&server.state(STATE)));
    let keys = [server.key("team", "writer"), server.key("team", "writer")];
    let short = Module::new(program, &keys[0], &backend).ready(&sleepers("short", 5, 5));
    let long = Module::new(program, &keys[1], &backend).ready(&sleepers("long", 22, 4));
    let runs = [short.start_apply(&[]), long.start_apply(&[])];
    for run in runs {
        run.wait().ok();
    }

    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert!(
        versions
            .iter()
            .all(|version| version["lock"] == Value::Null && version["kind"] == "write"),
        "{versions:?}"
    );
    let authors = [
        &versions[1]["created_by"]["id"],
        &versions[0]["created_by"]["id"],
    ];
    assert_eq!(authors, [keys[0].key_id.as_str(), keys[1].key_id.as_str()]);
    assert!(
        admin
            .version_text(STATE, &1.into())
            .contains("made by short_last")
    );
    assert!(
        admin
            .version_text(STATE, &2.into())
            .contains("made by long_last")
    );
    let events = admin.events("kind=state.write&attention=true");
    assert_eq!(
        events.len(),
        2,
        "what it sends first and what it drops then need a person: {events:?}"
    );
    assert_eq!(
        (&events[1]["version"], &events[1]["detail"]["unchanged"]),
        (&json!(1), &json!(true)),
        "{events:?}"
    );
    assert_eq!(
        (&events[0]["version"], &events[0]["detail"]["unchanged"]),
        (&json!(2), &Value::Null),
        "{events:?}"
    );
}

fn two_long_first_applies_are_both_in_the_history(program: &Program) {
    let server = Server::start();
    let admin = server.admin();
    let (winner, loser) = Race::new(
        program,
        &server,
        [sleepers("a", 22, 8), sleepers("b", 25, 8)],
    )
    .run();

    let versions = admin.versions(STATE);
    assert!(
        versions
            .iter()
            .all(|version| version["lock"] == Value::Null),
        "{versions:?}"
    );
    let texts: Vec<String> = versions
        .iter()
        .map(|version| admin.version_text(STATE, &version["number"]))
        .collect();
    for racer in [&winner, &loser] {
        assert!(
            texts
                .iter()
                .any(|text| text.contains(&racer.last_resource())),
            "{} is in no version: {versions:?}",
            racer.last_resource()
        );
    }
    assert!(
        admin
            .read(STATE)
            .expect_status(200)
            .text()
            .contains(&winner.last_resource())
    );
}

/// Two keys, two directories, one state, no locks.
struct Race<'a> {
    racers: [Racer<'a>; 2],
}

struct Racer<'a> {
    name: &'static str,
    key: Client,
    module: Module<'a>,
}

impl<'a> Race<'a> {
    fn new(program: &'a Program, server: &Server, mains: [String; 2]) -> Self {
        let backend = Backend::unlocked(&server.state(STATE));
        let mut names = ["a", "b"].into_iter();
        let racers = mains.map(|main| {
            let key = server.key("team", "writer");
            let module = Module::new(program, &key, &backend).ready(&main);
            Racer {
                name: names.next().expect("two names"),
                key,
                module,
            }
        });
        Self { racers }
    }

    /// Lets both apply at the same time; the one whose apply went well is the winner, and there has
    /// to be exactly one.
    fn run(self) -> (Racer<'a>, Racer<'a>) {
        let runs = self
            .racers
            .each_ref()
            .map(|racer| racer.module.start_apply(&[]));
        let [a, b] = runs.map(|run| run.wait());
        let [first, second] = self.racers;
        let (winner, loser, run) = if a.succeeded() {
            (first, second, b)
        } else {
            (second, first, a)
        };
        run.fails()
            .says("Failed to save state")
            .says("HTTP error: 409");
        (winner, loser)
    }
}

impl Racer<'_> {
    fn first_resource(&self) -> String {
        format!("made by {}_first", self.name)
    }

    fn last_resource(&self) -> String {
        format!("made by {}_last", self.name)
    }
}

/// Three resources: one is there at once, which starts the clients' clock for snapshots; the next
/// comes after `wait` seconds, the last after `more` on top.
fn sleepers(name: &str, wait: u32, more: u32) -> String {
    let sleeper = |suffix: &str, seconds: u32, after: &str| {
        format!(
            "resource \"terraform_data\" \"{name}_{suffix}\" {{\n  input      = \"made by \
                {name}_{suffix}\"\n  depends_on = [terraform_data.{name}_{after}]\n  \
             provisioner \"local-exec\" {{\n    command = \"sleep {seconds}\"\n  }}\n}}\n"
        )
    };
    resources(&[&format!("{name}_first")])
        + &sleeper("middle", wait, "first")
        + &sleeper("last", more, "middle")
}
