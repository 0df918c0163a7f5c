//! Data directories with so many states, versions of one state, or events. They are made once and
//! kept.
//!
//! States and versions come in through the front door. Events are recorded by the verbs that the
//! server uses, many in a commit, so that their rows and their chain are what they would be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use statekeep::config::DEFAULT_MAX_QUEUE;
use statekeep::domain::engine::data_dir;
use statekeep::model::actor::Actor;
use statekeep::model::clock::{self, Timestamp};
use statekeep::model::event::{EventKind, NewEvent};
use statekeep::model::name::StateName;
use statekeep::store::{Store, Touches, Tx};

use crate::Res;
use crate::inside::block_on;
use crate::load;
use crate::look::Look;
use crate::process::Server;
use crate::start::{kept, path};
use crate::wire::Request;

/// How directories are filled; another number fills them anew.
const LAYOUT: u32 = 2;
const CLIENTS: usize = 32;
/// How many requests are made before they are sent.
const BATCH: usize = 20_000;
/// How many events a commit has.
const EVENTS_OF_A_COMMIT: usize = 2_000;
/// Over how long events are spread, in milliseconds: 300 days.
const SPAN: i64 = 300 * 86_400_000;
/// One event in so many is marked for a person.
const MARKED: usize = 20_000;

/// What there is much of.
#[derive(Clone, Copy)]
pub(super) enum Size {
    States(usize),
    Versions(usize),
    Events(usize),
}

impl Size {
    /// How many.
    pub(super) const fn count(self) -> usize {
        match self {
            Self::States(count) | Self::Versions(count) | Self::Events(count) => count,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::States(_) => "states",
            Self::Versions(_) => "versions",
            Self::Events(_) => "events",
        }
    }

    /// The data directory of this size.
    pub(super) fn directory(self) -> Res<PathBuf> {
        let (count, what) = (self.count(), self.what());
        let name = format!("figures-grow/{what}-{count}");
        kept(&name, &format!("layout {LAYOUT}, {count} {what}"), |data| {
            eprintln!("grow: {count} {what}; only this time");
            match self {
                Self::States(_) => states(data, count),
                Self::Versions(_) => versions(data, count),
                Self::Events(_) => events(data, count),
            }
        })
    }
}

fn states(data: &Path, count: usize) -> Res<()> {
    let server = Server::on(data, &[])?;
    for first in (0..count).step_by(BATCH) {
        let requests = |client: usize| {
            let mine = (first + client..count.min(first + BATCH)).step_by(CLIENTS);
            mine.map(|state| Request::post(&path(state), &server.secret, small(state, 1)))
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = (0..CLIENTS)
            .map(requests)
            .filter(|one| !one.is_empty())
            .collect();
        load::send_all(&server.process, &all)?;
    }
    settle(server)
}

fn versions(data: &Path, count: usize) -> Res<()> {
    let server = Server::on(data, &[])?;
    let mut connection = server.connect()?;
    for serial in 1..=count {
        let body = small(0, serial);
        connection.exchange(&Request::post(&path(0), &server.secret, body))?;
    }
    settle(server)
}

fn settle(server: Server) -> Res<()> {
    Look::into(&server.data)?.wait_until_compacted()?;
    server.stop()
}

/// A state of some 1 kB with an address that no other one has.
pub(super) fn small(state: usize, serial: usize) -> Vec<u8> {
    let lineage = format!("00000000-0000-4000-a000-{state:012}");
    let [id, tag] = [2_654_435_761, 40_503].map(|factor| state.wrapping_mul(factor) % 99_999_989);
    let resource = json!({
        "mode": "managed", "type": "aws_instance", "name": "main",
        "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
        "instances": [{
            "schema_version": 1,
            "attributes": {
                "id": format!("i-{id:017x}"), "private_ip": address(state),
                "arn": format!("arn:aws:ec2:eu-central-1:123456789012:instance/i-{id:017x}"),
                "ami": "ami-0123456789abcdef0", "instance_type": "m6i.large",
                "etag": format!("{:016x}", serial.wrapping_mul(40_503) ^ tag),
                "availability_zone": "eu-central-1a", "monitoring": false,
                "root_block_device": [{ "volume_size": 8, "volume_type": "gp3" }],
                "tags": { "Name": format!("app-{tag}"), "Owner": "platform" },
            },
            "sensitive_attributes": [], "dependencies": [],
        }],
    });
    let state = json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": {}, "resources": [resource], "check_results": null,
    });
    state.to_string().into_bytes()
}

/// The address that a state's instance has.
pub(super) fn address(state: usize) -> String {
    format!(
        "10.{}.{}.{}",
        state / 62_500,
        200 + state / 250 % 50,
        state % 250
    )
}

fn events(data: &Path, count: usize) -> Res<()> {
    // The first key is made behind all of them, when its time is the latest.
    data_dir::make(data)?;
    block_on(async {
        let store = Store::open(data, DEFAULT_MAX_QUEUE, &Arc::default())?;
        let began = clock::now().millis() - SPAN;
        for first in (0..count).step_by(EVENTS_OF_A_COMMIT) {
            let end = count.min(first + EVENTS_OF_A_COMMIT);
            let step = SPAN / i64::try_from(count)?;
            let made = (first..end)
                .map(|number| event(number, began + step * i64::try_from(number)?))
                .collect::<Res<Vec<_>>>()?;
            let job = move |tx: &Tx<'_>| made.iter().try_for_each(|event| tx.record(event));
            store.write(Touches::NoState, 0, job).await?;
        }
        store.close().await;
        Ok(())
    })?;
    Server::on(data, &[])?.stop()
}

/// As plans and applies make them, of 300 workspaces and 200 keys.
fn event(number: usize, at: i64) -> Res<NewEvent> {
    let mixed = number.wrapping_mul(2_654_435_761) >> 7;
    let name = StateName::parse(
        &format!("w-{:03}", mixed % 300),
        &format!("b-{:02}", mixed / 300 % 30),
    )?;
    let kind = match number % 10 {
        _ if number % MARKED == MARKED / 2 => EventKind::StateWriteRejected,
        0..5 => EventKind::StateRead,
        5 | 6 => EventKind::StateWrite,
        7 => EventKind::LockAcquire,
        _ => EventKind::LockRelease,
    };
    let mut event = NewEvent::by_the_server(kind, Timestamp::from_millis(at)).on(&name);
    event.actor = Actor {
        id: format!("00000000-0000-4000-b000-{:012}", mixed % 200),
        name: format!("pipeline-{}", mixed % 200),
    };
    event.address = format!("10.0.0.{}", mixed % 250);
    event.request_id = format!("00000000-0000-4000-8000-{number:012}");
    event.attention = kind == EventKind::StateWriteRejected;
    Ok(event)
}
