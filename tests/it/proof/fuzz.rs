//! The fuzz targets over their seeds, and over seeds that are cut and changed a little: enough that
//! none of them rots. A fuzzer goes further, by hand.

use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::length::length;

#[path = "../../../fuzz/src/lib.rs"]
mod targets;

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{}", folder.display()));
    let paths = files.map(|file| file.expect("a file").path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).expect("a seed")))
        .collect()
}

/// The same bytes with some changed, taken out or put in.
fn changed(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let place = dice.index(bytes.len() + 1);
        let byte = u8::try_from(dice.below(256)).expect("a byte");
        match dice.below(4) {
            0 if place < bytes.len() => bytes[place] = byte,
            1 if place < bytes.len() => bytes[place] ^= 1 << (byte % 8),
            2 => bytes.insert(place, byte),
            _ => bytes.truncate(place.max(1)),
        }
    }
    bytes
}

#[test]
fn each_target_takes_its_seeds_and_what_is_like_them() {
    let mut dice = Dice::new(Dice::seed("fuzz"));
    let changes = length("FUZZ", 200);
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 2, "{name} has too few seeds");
        for (path, bytes) in seeds {
            eprintln!("{name}: {}", path.display());
            target(&bytes);
            for _ in 0..changes {
                target(&changed(&bytes, &mut dice));
            }
        }
    }
}

#[test]
fn each_target_is_a_program_of_the_fuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    for (name, _) in targets::TARGETS {
        let program = format!("fuzz_targets/{name}.rs");
        assert!(
            manifest.contains(&program),
            "fuzz/Cargo.toml has no {program}"
        );
        let text = std::fs::read_to_string(root.join(&program)).expect("a program");
        assert!(
            text.contains(&format!("statekeep_fuzz::{name}(")),
            "{program}"
        );
    }
}

/// A target whose seeds are all refused would try little but refusals.
#[test]
fn seeds_lead_to_what_is_salvaged_and_imported() {
    let of = |target: &str, name: &str, count: fn(&[u8]) -> usize| {
        let path = format!("{}/fuzz/seeds/{target}/{name}", env!("CARGO_MANIFEST_DIR"));
        count(&std::fs::read(path).expect("a seed"))
    };
    for name in ["delta.bin", "log.bin", "headers.bin"] {
        assert_eq!(of("salvage", name, targets::salvaged), 2, "{name}");
    }
    let manifests = [("whole.json", 3), ("purged.json", 1), ("export.tar", 1)];
    for (name, versions) in manifests {
        assert_eq!(of("manifest", name, targets::imported), versions, "{name}");
    }
}
