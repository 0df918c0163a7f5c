//! What a test does to disks and files: small file systems, read-only files, flipped bits, system
//! calls that fail or take long, and a database edited behind the server's back.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use tempfile::TempDir;

use crate::harness::{Setup, sha256};
use crate::skip;

/// The permission bits of a file or directory.
pub fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
        & 0o7777
}

/// The hash of a file's content.
pub fn hash(path: &Path) -> String {
    sha256(&std::fs::read(path).expect("a file"))
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// A file system in memory that is soon full.
pub struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// Mounts one (`"24m"`), or says that the test is skipped where that is not allowed.
    pub fn new(size: &str) -> Option<Self> {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().to_str().expect("UTF-8").to_owned();
        match run(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", &path],
        ) {
            Ok(()) => Some(Self { dir }),
            Err(error) => {
                skip::missing(&format!("no small file system can be mounted ({error})"));
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn grow(&self, size: &str) {
        let path = self.path().to_str().expect("UTF-8");
        run("mount", &["-o", &format!("remount,size={size}"), path])
            .expect("the file system grows");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", self.path().to_str().expect("UTF-8")]);
    }
}

/// A file that nobody can write, not even root.
pub struct ReadOnly {
    path: PathBuf,
    mounted: bool,
}

impl ReadOnly {
    pub fn new(path: &Path) -> Option<Self> {
        let text = path.to_str().expect("UTF-8");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o444)).expect("our file");
        let mut this = Self {
            path: path.to_owned(),
            mounted: false,
        };
        if std::fs::OpenOptions::new().append(true).open(path).is_err() {
            return Some(this);
        }
        this.mounted = run("mount", &["--bind", text, text]).is_ok();
        if this.mounted && run("mount", &["-o", "remount,bind,ro", text]).is_ok() {
            return Some(this);
        }
        skip::missing("root writes read-only files, and a read-only mount is not allowed");
        None
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        if self.mounted {
            let _ = run("umount", &["-l", self.path.to_str().expect("UTF-8")]);
        }
    }
}

/// A directory under a second name, by a bind mount.
pub struct BindMount {
    path: PathBuf,
}

impl BindMount {
    pub fn new(dir: &Path, path: &Path) -> Option<Self> {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        std::fs::create_dir(path).expect("a directory");
        match run("mount", &["--bind", &text(dir), &text(path)]) {
            Ok(()) => Some(Self {
                path: path.to_owned(),
            }),
            Err(error) => {
                skip::missing(&format!("no directory can be mounted ({error})"));
                None
            }
        }
    }
}

impl Drop for BindMount {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", self.path.to_str().expect("UTF-8")]);
    }
}

/// Flips a bit in the byte at an offset of a file.
pub fn flip(path: &Path, offset: u64) {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)
        .expect("inside the file");
    byte[0] ^= 0x10;
    file.write_all_at(&byte, offset).expect("our file");
    file.sync_all().expect("our file");
}

/// Damages the one large blob of a database, by bits in the middle of the file where it lies; never
/// in the first bytes of a page, which link it to the next.
pub fn damage(data: &Path) {
    let file = data.join("statekeep.db");
    let size = std::fs::metadata(&file).expect("the database").len();
    assert!(size > 2 * 1024 * 1024, "the large blob is most of the file");
    for part in [4, 5, 6] {
        flip(&file, size * part / 10 / 512 * 512 + 256);
    }
}

/// Makes a page of the database one that it cannot use any more: the first leaf of a tree of rows
/// by their keys that holds one of some texts.
pub fn spoil_page_with(data: &Path, texts: &[String]) {
    const PAGE: usize = 4096;
    const LEAF_OF_AN_INDEX: u8 = 0x0a;
    let file = data.join("statekeep.db");
    let bytes = std::fs::read(&file).expect("the database");
    let holds = |page: &&[u8]| {
        let has = |text: &String| page.windows(text.len()).any(|part| part == text.as_bytes());
        page[0] == LEAF_OF_AN_INDEX && texts.iter().any(has)
    };
    let place = bytes
        .chunks(PAGE)
        .position(|page| holds(&page))
        .expect("a page with the text");
    spoil_page(data, place);
}

/// Makes a page of the table of frames one that it cannot use any more: a leaf in the middle.
pub fn spoil_page_of_frames(data: &Path) {
    const PAGE: usize = 4096;
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'blobs'";
    let root = usize::try_from(crate::inside::number(data, sql)).expect("a page");
    let bytes = std::fs::read(data.join("statekeep.db")).expect("the database");
    let root = &bytes[(root - 1) * PAGE..root * PAGE];
    let word = |at: usize| usize::from(u16::from_be_bytes([root[at], root[at + 1]]));
    assert_eq!(root[0], 0x05, "there are too few frames for a second page");
    let cell = word(12 + word(3) / 2 * 2);
    let leaf: [u8; 4] = root[cell..cell + 4].try_into().expect("a page's number");
    spoil_page(data, u32::from_be_bytes(leaf) as usize - 1);
}

/// Overwrites the header of a page, counted from 0.
fn spoil_page(data: &Path, place: usize) {
    const PAGE: usize = 4096;
    let file = data.join("statekeep.db");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .expect("a file");
    file.write_all_at(&[0xff; 8], (place * PAGE) as u64)
        .expect("our file");
    file.sync_all().expect("our file");
}

/// A server to be started under strace with these options, by which its system calls fail or take
/// long; `None` where there is no strace that works here.
pub fn strace(setup: Setup, options: &[&str]) -> Option<Setup> {
    let strace = skip::program("strace", "STATEKEEP_STRACE")?;
    if !Command::new(&strace)
        .args(["-f", "-qq", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        skip::missing("strace may not trace here");
        return None;
    }
    let wrapper = [&[strace.to_str().expect("UTF-8"), "-f", "-qq"], options].concat();
    Some(setup.under(&wrapper))
}

/// Runs SQL on a database while no server runs; `None` where there is no python3.
pub fn sql(database: &Path, statements: &str) -> Option<()> {
    let python = skip::program("python3", "STATEKEEP_PYTHON")?;
    let script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as c: \
        c.executescript(sys.argv[2])\nc.close()";
    let output = Command::new(python)
        .args(["-c", script])
        .arg(database)
        .arg(statements)
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(())
}

/// Text that does not compress well, so that it takes room on the disk; the same for the same seed.
///
/// Tests make megabytes of it without optimisation, so a cipher and base64 make it in one piece.
pub fn noise(seed: u64, length: usize) -> String {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let cipher = ring::aead::UnboundKey::new(&ring::aead::CHACHA20_POLY1305, &key);
    let cipher = ring::aead::LessSafeKey::new(cipher.expect("a key of its length"));
    let mut bytes = vec![0; length.div_ceil(4) * 3];
    let nonce = ring::aead::Nonce::assume_unique_for_key([0; 12]);
    let aad = ring::aead::Aad::empty();
    let _tag = cipher
        .seal_in_place_separate_tag(nonce, aad, &mut bytes)
        .expect("few bytes");
    let mut text = LETTERS.encode(bytes);
    text.truncate(length);
    text
}

/// The 64 characters of [`noise`]: no token has a name of these alone.
static LETTERS: LazyLock<GeneralPurpose> = LazyLock::new(|| {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    let alphabet = Alphabet::new(letters).expect("64 characters");
    GeneralPurpose::new(&alphabet, NO_PAD)
});
