//! A disk that records every write and flush: qemu's storage daemon shows a file by FUSE, which is
//! mounted as a file system, and logs what is done to it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{eventually, kill};
use crate::skip;

/// What is made on the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FileSystem {
    Ext4,
    /// The contents of files are not written before what leads to them.
    Ext4Writeback,
    Xfs,
}

impl FileSystem {
    /// The size of the disk: xfs makes none that is smaller.
    fn size(self) -> &'static str {
        match self {
            Self::Ext4 | Self::Ext4Writeback => "96M",
            Self::Xfs => "320M",
        }
    }

    fn make(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Ext4 | Self::Ext4Writeback => ("mkfs.ext4", &["-q", "-F"]),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f"]),
        }
    }

    fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "loop",
            Self::Ext4Writeback => "loop,data=writeback",
            Self::Xfs => "loop,nouuid",
        }
    }
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test directories are UTF-8")
}

/// An image that is mounted, as long as this lives.
pub(super) struct Mounted {
    dir: TempDir,
}

impl Mounted {
    pub(super) fn new(image: &Path, file_system: FileSystem) -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        run(
            "mount",
            &["-o", file_system.options(), text(image), text(dir.path())],
        )?;
        Ok(Self { dir })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", text(self.dir.path())]);
    }
}

/// The disk, mounted; what was on it before; and the record.
pub(super) struct LoggedDisk {
    // The first to go is the mount, the last one the files.
    mounted: Option<Mounted>,
    daemon: Child,
    file_system: FileSystem,
    dir: TempDir,
}

impl LoggedDisk {
    /// None, after saying so, where a disk cannot be recorded.
    pub(super) fn new(file_system: FileSystem) -> Option<Self> {
        let (make, args) = file_system.make();
        let daemon = skip::program("qemu-storage-daemon", "STATEKEEP_QEMU_STORAGE_DAEMON")?;
        let make = skip::program(make, "STATEKEEP_MKFS")?;
        let dir = TempDir::new().expect("a directory");
        let disk = dir.path().join("disk");
        for name in ["disk", "shown"] {
            let path = dir.path().join(name);
            run("truncate", &["-s", file_system.size(), text(&path)]).expect("a file");
        }
        run("truncate", &["-s", "0", text(&dir.path().join("record"))]).expect("a file");
        run(text(&make), &[args, &[text(&disk)]].concat()).expect("a file system");
        copy(&disk, &dir.path().join("before"));
        let daemon = serve(&daemon, dir.path());
        let mut logged = Self {
            mounted: None,
            daemon,
            file_system,
            dir,
        };
        let shown = logged.dir.path().join("shown");
        let mut has_ended = false;
        eventually("the disk is shown", || {
            has_ended = logged.daemon.try_wait().expect("our child").is_some();
            has_ended || is_mount(&shown)
        });
        if has_ended {
            skip::missing("qemu-storage-daemon shows no disk (is there /dev/fuse?)");
            return None;
        }
        match Mounted::new(&shown, file_system) {
            Ok(mounted) => logged.mounted = Some(mounted),
            Err(why) => {
                skip::missing(&format!("no recorded disk can be mounted ({why})"));
                return None;
            }
        }
        Some(logged)
    }

    pub(super) fn mount(&self) -> &Path {
        self.mounted.as_ref().expect("until it ends").path()
    }

    pub(super) fn file_system(&self) -> FileSystem {
        self.file_system
    }

    /// The disk as it was before anything was recorded.
    pub(super) fn before(&self) -> PathBuf {
        self.dir.path().join("before")
    }

    pub(super) fn record_path(&self) -> PathBuf {
        self.dir.path().join("record")
    }

    /// How many bytes of the record there are: all that is on the disk by now lies before.
    pub(super) fn recorded(&self) -> u64 {
        self.record_path().metadata().expect("the record").len()
    }

    /// Ends the recording.
    pub(super) fn end(&mut self) {
        drop(self.mounted.take());
        // The daemon holds the file until the file system is gone.
        kill("TERM", self.daemon.id());
        eventually("the daemon ends", || {
            self.daemon.try_wait().expect("our child").is_some()
        });
    }
}

impl Drop for LoggedDisk {
    fn drop(&mut self) {
        drop(self.mounted.take());
        kill("TERM", self.daemon.id());
        let _ = self.daemon.wait();
    }
}

fn serve(program: &Path, dir: &Path) -> Child {
    let file = |node: &str, name: &str| {
        format!(
            "driver=file,node-name={node},filename={}",
            text(&dir.join(name))
        )
    };
    let logged = "driver=blklogwrites,node-name=logged,file=disk,log=record,log-sector-size=512";
    let shown = text(&dir.join("shown")).to_owned();
    let shown = format!("type=fuse,id=shown,node-name=logged,mountpoint={shown},writable=on");
    Command::new(program)
        .args([
            "--blockdev",
            &file("disk", "disk"),
            "--blockdev",
            &file("record", "record"),
        ])
        .args(["--blockdev", logged, "--export", &shown])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the daemon runs")
}

fn is_mount(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(text(path)))
}

/// Copies an image, which is mostly empty.
pub(super) fn copy(from: &Path, to: &Path) {
    run("cp", &["--sparse=always", text(from), text(to)]).expect("room for a copy");
}
