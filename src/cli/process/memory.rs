//! The memory of a process that holds secrets: in no core file, and not for other processes of the
//! same user.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// Keeps the memory of this process to itself. What it starts gets its own memory, for which this
/// does not hold.
pub(in crate::cli) fn keep_to_itself() {
    // Nothing is worse than before where the system does not offer it.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Has this process write no core file, nor what it starts.
pub(in crate::cli) fn write_no_core() {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Core);
    let none = Rlimit {
        current: Some(0),
        maximum,
    };
    let _ = rustix::process::setrlimit(Resource::Core, none);
}
