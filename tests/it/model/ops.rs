//! What two callers may do, chosen at random.

use proptest::prelude::*;

/// Which of the two keys: `Owner` may do everything with the state, `Plain` breaks no locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Owner,
    Plain,
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Read(Who),
    Write {
        who: Who,
        lineage: u8,
        serial: u64,
        note: u8,
        lock: Option<u8>,
        force: bool,
    },
    Lock(Who, u8),
    Unlock(Who, u8),
    Break(Who),
    Delete {
        who: Who,
        lock: Option<u8>,
    },
    Restore(Who),
    RollBack {
        who: Who,
        to: usize,
        lock: Option<u8>,
    },
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Owner), Just(Who::Plain)]
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let lock = || proptest::option::of(0..3_u8);
    let written = |(who, lineage, serial, note, lock, force)| Op::Write {
        who,
        lineage,
        serial,
        note,
        lock,
        force,
    };
    let rolled_back = |(who, to, lock)| Op::RollBack { who, to, lock };
    let write = (
        who(),
        0..2_u8,
        0..12_u64,
        0..2_u8,
        lock(),
        prop::bool::weighted(0.1),
    );
    prop_oneof![
        2 => who().prop_map(Op::Read),
        6 => write.prop_map(written),
        3 => (who(), 0..3_u8).prop_map(|(who, id)| Op::Lock(who, id)),
        2 => (who(), 0..3_u8).prop_map(|(who, id)| Op::Unlock(who, id)),
        1 => who().prop_map(Op::Break),
        1 => (who(), lock()).prop_map(|(who, lock)| Op::Delete { who, lock }),
        1 => who().prop_map(Op::Restore),
        2 => (who(), any::<usize>(), lock()).prop_map(rolled_back),
    ]
}
