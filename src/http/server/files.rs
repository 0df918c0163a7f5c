//! How many files this process may have open, and so how many connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A connection is one socket.
const FILES_A_CONNECTION: u64 = 1;
/// How many files are open beside connections, at most: those that wait at the door or leave it and
/// the operator's among them.
const FILES_BESIDE: u64 = 512;

/// Raises this process's limit of open files as far as so many connections need it, and says how
/// many connections it may have then.
///
/// Most systems allow a thousand files unless they are asked for more.
pub fn allow_connections(wanted: usize) -> usize {
    let needed = wanted as u64 * FILES_A_CONNECTION + FILES_BESIDE;
    raise_to(needed);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(needed);
    let connections = files.saturating_sub(FILES_BESIDE) / FILES_A_CONNECTION;
    let allowed = usize::try_from(connections)
        .unwrap_or(usize::MAX)
        .clamp(1, wanted);
    if allowed < wanted {
        tracing::warn!(
            wanted,
            allowed,
            "the system allows fewer open files than --max-connections needs; raise it with \
             `ulimit -n`, or with LimitNOFILE= of systemd"
        );
    }
    allowed
}

fn raise_to(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(needed, |most| most.min(needed));
    if limit.current.is_none_or(|current| current >= most) {
        return;
    }
    let raised = Rlimit {
        current: Some(most),
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
