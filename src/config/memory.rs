//! How much memory the server may count on: the machine's, or less where its control group says so.

use std::path::{Path, PathBuf};

/// Where Linux mounts the hierarchy of control groups, version 2.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// The bytes of memory that this process may use at most; none where the system does not tell.
pub fn memory_of_this_machine() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = own_groups(&groups)
        .into_iter()
        .filter_map(|dir| limit_of(&dir));
    limits.chain(installed()).min()
}

/// The directories of the control group that a process is in and of all above it, by what
/// `/proc/self/cgroup` says.
fn own_groups(listed: &str) -> Vec<PathBuf> {
    let Some(group) = listed.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let root = Path::new(CONTROL_GROUPS);
    root.join(group)
        .ancestors()
        .take_while(|dir| dir.starts_with(root))
        .map(Path::to_owned)
        .collect()
}

fn limit_of(group: &Path) -> Option<u64> {
    std::fs::read_to_string(group.join("memory.max"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn installed() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes: u64 = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_every_group_above() {
        let groups = own_groups("1:name=systemd:/x\n0::/system.slice/statekeep.service\n");
        let expected = ["system.slice/statekeep.service", "system.slice", ""];
        assert_eq!(
            groups,
            expected.map(|group| Path::new(CONTROL_GROUPS).join(group))
        );
        assert_eq!(own_groups("0::/\n"), [Path::new(CONTROL_GROUPS)]);
        assert!(own_groups("4:memory:/old\n").is_empty());
    }

    #[test]
    fn knows_how_much_there_is() {
        assert!(memory_of_this_machine().is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
