//! Each row of the contract's table for writes, and their order, as a table.

use crate::domain::states::rules::*;
use crate::model::clock::Timestamp;
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::state::{StateId, Visibility};
use crate::model::terraform::tfstate::StateHead;
use crate::model::version::VersionKind;

fn actor(id: &str) -> Actor {
    Actor {
        id: id.to_owned(),
        name: id.to_owned(),
    }
}

fn version(lineage: &str, serial: u64, bytes: &str) -> Version {
    Version {
        number: 1,
        sha256: Digest::of(bytes.as_bytes()),
        size: 1,
        head: StateHead {
            format: Some(4),
            serial,
            lineage: lineage.to_owned(),
            terraform_version: None,
            resources: Some(0),
            encrypted: false,
        },
        kind: VersionKind::Write,
        counts: None,
        intermediate: false,
        from_version: None,
        created_at: Timestamp::from_millis(0),
        created_by: actor("a"),
        address: String::new(),
        lock: None,
        current: true,
        purged: false,
        held: None,
    }
}

fn lock(id: &str, holder: &str) -> HeldLock {
    HeldLock {
        permissions: None,
        credential: None,
        lock: Lock::parse(format!(r#"{{"ID":"{id}"}}"#).as_bytes()).unwrap(),
        holder: actor(holder),
        address: String::new(),
        locked_at: Timestamp::from_millis(0),
        refused: 0,
        latest_refusal: None,
    }
}

/// The state has lineage `l`, serial 5 and the bytes `five`; key `a` writes unless told otherwise.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own in the table"
)]
struct Case {
    lock: Option<(&'static str, &'static str)>,
    broken: Option<(&'static str, &'static str)>,
    stale: bool,
    policy: UnlockedWrites,
    id: Option<&'static str>,
    force: bool,
    lineage: &'static str,
    serial: u64,
    bytes: &'static str,
    hidden: bool,
    frozen: bool,
}

const PLAIN: Case = Case {
    lock: None,
    broken: None,
    stale: false,
    policy: UnlockedWrites::Guard,
    id: None,
    force: false,
    lineage: "l",
    serial: 6,
    bytes: "six",
    hidden: false,
    frozen: false,
};

fn verdict(case: &Case) -> &'static str {
    let visibility = if case.hidden {
        Visibility::Deleted
    } else {
        Visibility::Live
    };
    let id = StateId::for_tests();
    let lookup = Lookup::State {
        id,
        current: Some(Box::new(version("l", 5, "five"))),
        visibility,
    };
    let held = case.lock.map(|(id, holder)| lock(id, holder));
    let broken = case.broken.map(|(id, holder)| BrokenLock {
        lock_id: id.to_owned(),
        holder: holder.to_owned(),
    });
    let situation = Situation {
        lookup: &lookup,
        lock: held.as_ref(),
        is_frozen: case.frozen,
        broken: broken.as_ref(),
        is_stale_writer: case.stale,
        unlocked_writes: case.policy,
    };
    let writer = actor("a");
    let incoming = Incoming {
        sha256: Digest::of(case.bytes.as_bytes()),
        serial: case.serial,
        lineage: case.lineage,
        lock_id: case.id,
        force: case.force,
        actor: &writer,
    };
    match judge(&situation, &incoming) {
        Verdict::Unchanged => "unchanged",
        Verdict::Gone(_) => "left",
        Verdict::Store => "store",
        Verdict::Reject(refusal) => refusal.rejection.code(),
    }
}

/// Each row: its name, the write, and what becomes of it.
const TABLE: &[(&str, Case, &str)] = &[
    ("newer, no lock", PLAIN, "store"),
    (
        "equal bytes",
        Case {
            bytes: "five",
            serial: 5,
            ..PLAIN
        },
        "unchanged",
    ),
    (
        "equal bytes while another holds the lock",
        Case {
            bytes: "five",
            lock: Some(("x", "b")),
            ..PLAIN
        },
        "unchanged",
    ),
    (
        "equal bytes of a deleted state",
        Case {
            bytes: "five",
            hidden: true,
            ..PLAIN
        },
        "store",
    ),
    (
        "own lock",
        Case {
            lock: Some(("x", "a")),
            id: Some("x"),
            ..PLAIN
        },
        "store",
    ),
    (
        "frozen, no lock",
        Case {
            frozen: true,
            ..PLAIN
        },
        "locked",
    ),
    (
        "frozen, equal bytes",
        Case {
            frozen: true,
            bytes: "five",
            ..PLAIN
        },
        "unchanged",
    ),
    (
        "frozen, own lock from behind it",
        Case {
            frozen: true,
            lock: Some(("x", "a")),
            id: Some("x"),
            ..PLAIN
        },
        "locked",
    ),
    (
        "frozen, stale lock ID",
        Case {
            frozen: true,
            id: Some("y"),
            ..PLAIN
        },
        "locked",
    ),
    (
        "own lock, older, other lineage",
        Case {
            lock: Some(("x", "a")),
            id: Some("x"),
            serial: 1,
            lineage: "m",
            ..PLAIN
        },
        "store",
    ),
    (
        "own lock, marked, refuse",
        Case {
            lock: Some(("x", "a")),
            id: Some("x"),
            stale: true,
            policy: UnlockedWrites::Refuse,
            ..PLAIN
        },
        "store",
    ),
    (
        "locked, no ID",
        Case {
            lock: Some(("x", "a")),
            ..PLAIN
        },
        "locked",
    ),
    (
        "locked, no ID, force",
        Case {
            lock: Some(("x", "a")),
            force: true,
            ..PLAIN
        },
        "locked",
    ),
    (
        "locked, no ID, accept",
        Case {
            lock: Some(("x", "a")),
            policy: UnlockedWrites::Accept,
            ..PLAIN
        },
        "locked",
    ),
    (
        "locked, another's ID",
        Case {
            lock: Some(("x", "a")),
            id: Some("y"),
            ..PLAIN
        },
        "locked",
    ),
    (
        "ID fits, another key's lock",
        Case {
            lock: Some(("x", "b")),
            id: Some("x"),
            ..PLAIN
        },
        "locked",
    ),
    (
        "not locked, but an ID",
        Case {
            id: Some("x"),
            ..PLAIN
        },
        "stale_lock_id",
    ),
    (
        "not locked, but an ID, force",
        Case {
            id: Some("x"),
            force: true,
            ..PLAIN
        },
        "stale_lock_id",
    ),
    (
        "own broken lock",
        Case {
            id: Some("x"),
            broken: Some(("x", "a")),
            ..PLAIN
        },
        "store",
    ),
    (
        "own broken lock, not newer",
        Case {
            id: Some("x"),
            broken: Some(("x", "a")),
            serial: 5,
            ..PLAIN
        },
        "stale_write",
    ),
    (
        "own broken lock, not newer, accept",
        Case {
            id: Some("x"),
            broken: Some(("x", "a")),
            serial: 5,
            policy: UnlockedWrites::Accept,
            ..PLAIN
        },
        "store",
    ),
    (
        "own broken lock, refuse",
        Case {
            id: Some("x"),
            broken: Some(("x", "a")),
            policy: UnlockedWrites::Refuse,
            ..PLAIN
        },
        "store",
    ),
    (
        "another's broken lock",
        Case {
            id: Some("x"),
            broken: Some(("x", "b")),
            ..PLAIN
        },
        "stale_lock_id",
    ),
    (
        "another broken lock",
        Case {
            id: Some("x"),
            broken: Some(("y", "a")),
            ..PLAIN
        },
        "stale_lock_id",
    ),
    ("same serial", Case { serial: 5, ..PLAIN }, "stale_write"),
    ("older serial", Case { serial: 4, ..PLAIN }, "stale_write"),
    (
        "other lineage",
        Case {
            lineage: "m",
            serial: 9,
            ..PLAIN
        },
        "stale_write",
    ),
    (
        "older serial, force",
        Case {
            serial: 4,
            force: true,
            ..PLAIN
        },
        "store",
    ),
    (
        "older serial, accept",
        Case {
            serial: 4,
            policy: UnlockedWrites::Accept,
            ..PLAIN
        },
        "store",
    ),
    (
        "older serial of a deleted state",
        Case {
            serial: 4,
            lineage: "m",
            hidden: true,
            ..PLAIN
        },
        "store",
    ),
    (
        "marked",
        Case {
            stale: true,
            ..PLAIN
        },
        "stale_write",
    ),
    (
        "marked, force",
        Case {
            stale: true,
            force: true,
            ..PLAIN
        },
        "store",
    ),
    (
        "marked, accept",
        Case {
            stale: true,
            policy: UnlockedWrites::Accept,
            ..PLAIN
        },
        "store",
    ),
    (
        "refuse",
        Case {
            policy: UnlockedWrites::Refuse,
            ..PLAIN
        },
        "unlocked_writes_refused",
    ),
    (
        "refuse, force",
        Case {
            policy: UnlockedWrites::Refuse,
            force: true,
            ..PLAIN
        },
        "unlocked_writes_refused",
    ),
];

#[test]
fn every_row_of_the_table() {
    for (name, case, expected) in TABLE {
        assert_eq!(verdict(case), *expected, "{name}");
    }
}

#[test]
fn an_empty_address_takes_a_first_write_and_one_that_was_left_none() {
    let writer = actor("a");
    let incoming = Incoming {
        sha256: Digest::of(b"x"),
        serial: 0,
        lineage: "",
        lock_id: None,
        force: true,
        actor: &writer,
    };
    let judged = |lookup: &Lookup, lock: Option<&HeldLock>| {
        judge(
            &Situation {
                lookup,
                lock,
                broken: None,
                is_frozen: false,
                is_stale_writer: false,
                unlocked_writes: UnlockedWrites::Guard,
            },
            &incoming,
        )
    };
    assert_eq!(judged(&Lookup::Free, None), Verdict::Store);
    let target: StateName = "w/b".parse().unwrap();
    let gone = |bytes| {
        let current = Some(Box::new(version("l", 5, bytes)));
        Lookup::State {
            id: StateId::for_tests(),
            current,
            visibility: Visibility::Transferred("s3".to_owned()),
        }
    };
    let (elsewhere, here) = (
        Gone::Transferred("s3".to_owned()),
        Gone::Moved(target.clone()),
    );
    for (lookup, left) in [
        (Lookup::Moved(target), here),
        (gone("five"), elsewhere.clone()),
        (gone("x"), elsewhere),
    ] {
        assert_eq!(
            judged(&lookup, None),
            Verdict::Gone(left.clone()),
            "its bytes do not matter"
        );
        assert_eq!(
            judged(&lookup, Some(&lock("x", "b"))),
            Verdict::Gone(left),
            "before the lock is looked at"
        );
    }
}
