//! How much memory the server may count on: the machine's, or less where its control group says so.

use std::path::Path;

/// Where Linux mounts the hierarchies of control groups.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// A limit of a control group's memory: the folder that groups are in, and the limit's file.
#[derive(Clone, Copy)]
struct Kind {
    folder: &'static str,
    limit: &'static str,
}

/// The one hierarchy of version 2.
const UNIFIED: Kind = Kind {
    folder: "",
    limit: "memory.max",
};
/// The memory's own hierarchy of version 1.
const OF_MEMORY: Kind = Kind {
    folder: "memory",
    limit: "memory.limit_in_bytes",
};

/// The bytes of memory that this process may use at most; none where the system does not tell.
pub fn memory_of_this_machine() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = limit_in(Path::new(CONTROL_GROUPS), &groups);
    limit.into_iter().chain(installed()).min()
}

/// The lowest limit of the control groups that a process is in, by what `/proc/self/cgroup` says,
/// and of all groups above them.
fn limit_in(root: &Path, listed: &str) -> Option<u64> {
    listed
        .lines()
        .filter_map(group)
        .flat_map(|(kind, group)| limits(root, kind, group))
        .min()
}

/// A line of `/proc/self/cgroup`, where it is about memory: the number of the hierarchy, its
/// controllers, and the group.
fn group(line: &str) -> Option<(Kind, &str)> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let group = group.strip_prefix('/')?;
    if number == "0" && controllers.is_empty() {
        return Some((UNIFIED, group));
    }
    let of_memory = controllers.split(',').any(|one| one == "memory");
    of_memory.then_some((OF_MEMORY, group))
}

/// The limits of a group and of all above it, up to where the hierarchy is mounted: in a container
/// that is its own group, whatever its path says.
fn limits(root: &Path, kind: Kind, group: &str) -> Vec<u64> {
    let mounted = root.join(kind.folder);
    let limit = |dir: &Path| {
        let text = std::fs::read_to_string(dir.join(kind.limit)).ok()?;
        text.trim().parse().ok()
    };
    let own = mounted.join(group);
    let dirs = own.ancestors().take_while(|dir| dir.starts_with(&mounted));
    dirs.filter_map(limit).collect()
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

    const MIB: u64 = 1024 * 1024;

    /// A folder of control groups with these limits.
    fn groups(limits: &[(&str, u64)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, limit) in limits {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, format!("{limit}\n")).unwrap();
        }
        root
    }

    #[test]
    fn the_lowest_limit_of_all_groups_above_counts() {
        let root = groups(&[
            ("system.slice/statekeep.service/memory.max", 3 * MIB),
            ("system.slice/memory.max", 2 * MIB),
            ("user.slice/memory.max", MIB),
        ]);
        let of = |listed| limit_in(root.path(), listed);
        let listed = "1:name=systemd:/x\n0::/system.slice/statekeep.service\n";
        assert_eq!(of(listed), Some(2 * MIB));
        assert_eq!(of("0::/\n"), None, "the root has no limit");
        assert_eq!(of(""), None);
    }

    #[test]
    fn limits_of_the_first_version_count_too() {
        let root = groups(&[
            ("memory/docker/a/memory.limit_in_bytes", MIB),
            ("memory/memory.limit_in_bytes", 2 * MIB),
        ]);
        let of = |listed| limit_in(root.path(), listed);
        assert_eq!(of("9:cpu,memory:/docker/a\n0::/\n"), Some(MIB));
        let in_a_container = "4:memory:/docker/elsewhere\n";
        assert_eq!(of(in_a_container), Some(2 * MIB));
        assert_eq!(of("4:memoryless:/docker/a\n"), None);
    }

    #[test]
    fn knows_how_much_there_is() {
        assert!(memory_of_this_machine().is_some_and(|bytes| bytes > 1024 * 1024));
    }
}
