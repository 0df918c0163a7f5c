//! Compresses the texts that the program carries, so that they take a quarter of their room in it.
//! `src/packed.rs` opens them.

use std::fs;
use std::io::{Error, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

/// The document of the API and the pages of the manual: `docs/NAME` becomes `NAME.gz`.
const TEXTS: [&str; 18] = [
    "api.md",
    "backups.md",
    "ci-identity.md",
    "cli.md",
    "concepts.md",
    "damage.md",
    "first-hour.md",
    "limits.md",
    "litestream.md",
    "moving.md",
    "openapi.json",
    "operation.md",
    "page.md",
    "reliability.md",
    "sealing.md",
    "security.md",
    "upgrade.md",
    "webhooks.md",
];

fn main() -> Result<(), Error> {
    let folder = std::env::var_os("OUT_DIR").map(PathBuf::from);
    let folder = folder.ok_or_else(|| Error::other("cargo names no folder"))?;
    println!("cargo::rerun-if-changed=build.rs");
    for name in TEXTS {
        println!("cargo::rerun-if-changed=docs/{name}");
        compress(name, &folder)?;
    }
    Ok(())
}

/// Without a time and a name, so that the same text makes the same bytes.
fn compress(name: &str, folder: &Path) -> Result<(), Error> {
    let file = fs::File::create(folder.join(format!("{name}.gz")))?;
    let mut encoder = GzBuilder::new().write(file, Compression::best());
    encoder.write_all(&fs::read(Path::new("docs").join(name))?)?;
    encoder.finish()?.flush()
}
