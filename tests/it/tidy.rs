//! The rules of the house, kept by plain matching on the text of the tree: which room may use
//! which, where each heavy dependency lives, how large things get, and what a migration and a
//! dependency must bring along. `CONTRIBUTING.md` explains them.
//!
//! The matching is approximate on purpose. Where a rule stands in the way of better code, change
//! the rule and `CONTRIBUTING.md` with it.

mod broken;
pub(crate) mod matching;

use std::path::Path;

use matching::{File, blank_sql_comments, body, first_names, is_rust};

/// What each room may use beside itself.
const ROOMS: [(&str, &[&str]); 11] = [
    ("model", &[]),
    ("config", &["model"]),
    ("telemetry", &["model"]),
    ("metrics", &["model"]),
    ("blob", &["model"]),
    ("diff", &["model"]),
    ("hcl", &["model"]),
    ("store", &["model", "metrics"]),
    (
        "domain",
        &["model", "blob", "diff", "store", "metrics", "config"],
    ),
    (
        "http",
        &["model", "domain", "metrics", "config", "telemetry", "hcl"],
    ),
    (
        "cli",
        &[
            "model",
            "domain",
            "http",
            "hcl",
            "diff",
            "config",
            "telemetry",
        ],
    ),
];

/// The one home of each heavy dependency.
const HOMES: [(&str, &[&str]); 19] = [
    ("rusqlite", &["src/store/"]),
    ("refinery", &["src/store/"]),
    ("actix_web", &["src/http/"]),
    ("rust_embed", &["src/http/endpoints/page.rs"]),
    ("zstd", &["src/blob/"]),
    ("argon2", &["src/domain/"]),
    ("unicode_ident", &["src/hcl/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("comfy_table", &["src/cli/"]),
    ("reqwest", &["src/cli/"]),
    ("tar", &["src/cli/", "src/hcl/"]),
    ("rustls", &["src/cli/", "src/http/"]),
    ("prometheus", &["src/metrics.rs"]),
    ("rayon", &["src/domain/"]),
    ("signal_hook", &["src/cli/process/"]),
    ("strsim", &["src/cli/common/nearest.rs"]),
    ("wide", &["src/domain/content/md5_lanes.rs"]),
    ("tikv_jemallocator", &["src/main.rs"]),
];

/// What pure rooms do not know of.
const IMPURE: [&str; 4] = ["std::fs", "std::net", "std::process", "tokio"];
const PURE_ROOMS: [&str; 3] = ["src/model/", "src/blob/", "src/diff/"];

/// The beginnings of SQL statements, which stay in `store`.
const SQL: [&str; 3] = ["SELECT ", "INSERT INTO ", "DELETE FROM "];

const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;

/// Folders of somebody's machine that have no place in the tree (taken apart here, or this file
/// would break its own rule).
const MACHINE_PATHS: [&str; 3] = [
    concat!("/", "work/"),
    concat!("/", "farm/"),
    concat!("/", "root/"),
];

/// Not part of the tree.
const SKIPPED: [&str; 3] = [".git", "target", "statekeep-data"];

/// `http` asks `domain` and never names `store`: the first table.
fn rooms(file: &File) -> Vec<String> {
    if !is_rust(&file.path) || !file.is_in(&["src/"]) || matches!(file.room(), "lib" | "main") {
        return Vec::new();
    }
    let Some((room, may_use)) = ROOMS.iter().find(|(room, _)| *room == file.room()) else {
        return vec![file.finding(
            0,
            &format!(
                "the room `{}` is not in the table: add it to ROOMS in tests/it/tidy.rs",
                file.room()
            ),
        )];
    };
    // `super::` reaches the front door from `src/http/server/trace.rs` with two steps, from
    // `src/http/mod.rs` with one.
    let steps = file.path.trim_end_matches("/mod.rs").matches('/').count();
    let front_door = "super::".repeat(steps);
    let by_crate = file
        .words("crate")
        .filter_map(|(at, rest)| Some((at, rest.strip_prefix("::")?)));
    let by_super = file
        .words("super")
        .filter_map(|(at, _)| Some((at, file.code[at..].strip_prefix(&front_door)?)));
    let uses = by_crate
        .chain(by_super)
        .flat_map(|(at, rest)| first_names(rest).into_iter().map(move |name| (at, name)));
    uses.filter(|(_, name)| {
        ROOMS.iter().any(|(other, _)| other == name) && name != room && !may_use.contains(name)
    })
    .map(|(at, name)| {
        file.finding(
            at,
            &format!("`{room}` may not use `{name}`, only {may_use:?}: ask a room below that may"),
        )
    })
    .collect()
}

/// The second table: heavy dependencies, pure rooms, SQL and printing.
fn homes(file: &File) -> Vec<String> {
    if !is_rust(&file.path) || !file.is_in(&["src/"]) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (dependency, homes) in HOMES.iter().filter(|(_, homes)| !file.is_in(homes)) {
        let used = file.words(dependency).filter(|(at, rest)| {
            let before = &file.code[..*at];
            !before.ends_with("::") && (rest.starts_with("::") || before.ends_with("use "))
        });
        findings.extend(used.map(|(at, _)| {
            file.finding(
                at,
                &format!("`{dependency}` lives in {homes:?}: call something of that room"),
            )
        }));
    }
    for word in IMPURE.iter().filter(|_| file.is_in(&PURE_ROOMS)) {
        findings.extend(file.words(word).map(|(at, _)| {
            file.finding(
                at,
                &format!("`{word}` in a pure room: take the bytes as arguments"),
            )
        }));
    }
    for word in SQL.iter().filter(|_| !file.is_in(&["src/store/"])) {
        findings.extend(
            file.text.match_indices(word).map(|(at, _)| {
                file.finding(at, "SQL stays in src/store/: add a verb to View or Tx")
            }),
        );
    }
    for word in ["println", "eprintln", "print", "eprint"]
        .iter()
        .filter(|_| file.path != "src/cli/output.rs")
    {
        let printed = file.words(word).filter(|(_, rest)| rest.starts_with('!'));
        findings.extend(printed.map(|(at, _)| {
            file.finding(
                at,
                "only src/cli/output.rs prints: call it, or log by `tracing`",
            )
        }));
    }
    findings
}

/// Files open with why they exist; files and functions fit where they are read.
fn sizes(file: &File) -> Vec<String> {
    if !is_rust(&file.path) || !file.is_in(&["src/", "tests/", "benches/"]) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") && !file.text.starts_with("#![doc = include_str!") {
        findings.push(file.finding(
            0,
            "a file opens with `//!`: say why it exists and which invariants it keeps",
        ));
    }
    let lines = file.text.lines().count();
    if lines > MAX_FILE_LINES {
        findings.push(file.finding(
            0,
            &format!(
                "{lines} lines, at most {MAX_FILE_LINES}: split the file by what its parts are for"
            ),
        ));
    }
    for (at, rest) in file.words("fn").filter(|(_, rest)| rest.starts_with(' ')) {
        let lines = body(rest)
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count()
            .saturating_sub(1);
        if lines > MAX_FUNCTION_LINES {
            findings.push(file.finding(at, &format!("{lines} lines in a function, at most {MAX_FUNCTION_LINES}: give its steps names")));
        }
    }
    findings
}

/// A file that no `mod` names is not compiled, and its tests never run.
fn declared(file: &File, tree: &[File]) -> Vec<String> {
    let place = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let Some((dir, name)) = place.rsplit_once('/') else {
        return Vec::new();
    };
    if !is_rust(&file.path)
        || !file.is_in(&["src/", "tests/it/"])
        || matches!(name, "main" | "lib" | "it")
    {
        return Vec::new();
    }
    let parents = ["/mod.rs", ".rs", "/main.rs", "/lib.rs"].map(|end| format!("{dir}{end}"));
    let mut parents = tree.iter().filter(|other| parents.contains(&other.path));
    if parents.any(|parent| {
        parent
            .words("mod")
            .any(|(_, rest)| rest.trim_start().starts_with(&format!("{name};")))
    }) {
        return Vec::new();
    }
    vec![file.finding(
        0,
        &format!("nobody declares this file: write `mod {name};` in its parent, or remove it"),
    )]
}

/// No path of the machine that the tree was written on.
fn machine_paths(file: &File) -> Vec<String> {
    let found = MACHINE_PATHS
        .iter()
        .flat_map(|path| file.text.match_indices(path));
    found
        .map(|(at, path)| {
            file.finding(
                at,
                &format!("`{path}` is a folder of one machine: say it without"),
            )
        })
        .collect()
}

/// Each dependency has its reason above it; a run of lines may share one.
fn dependencies(file: &File) -> Vec<String> {
    let (mut findings, mut in_list, mut reason, mut offset) = (Vec::new(), false, false, 0);
    for line in file.text.lines().filter(|_| file.path == "Cargo.toml") {
        if line.starts_with('[') {
            in_list = line.contains("dependencies");
        }
        let is_key = line
            .split_once('=')
            .is_some_and(|(key, _)| !key.trim().is_empty() && !key.starts_with([' ', '#', '[']));
        reason = line.starts_with('#') || (reason && !line.is_empty() && !line.starts_with('['));
        if in_list && is_key && !reason {
            findings.push(file.finding(
                offset,
                "a dependency without its reason: write a comment above it",
            ));
        }
        offset += line.len() + 1;
    }
    findings
}

/// `V1__…sql`, `V2__…sql`, …, and every table `STRICT`.
fn migrations(tree: &[File]) -> Vec<String> {
    let number = |file: &File| {
        file.path
            .strip_prefix("migrations/V")?
            .split_once("__")?
            .0
            .parse::<usize>()
            .ok()
    };
    let sql = tree.iter().filter(|file| {
        file.path.starts_with("migrations/")
            && Path::new(&file.path)
                .extension()
                .is_some_and(|end| end == "sql")
    });
    let mut sorted: Vec<(Option<usize>, &File)> = sql.map(|file| (number(file), file)).collect();
    sorted.sort_by_key(|(number, _)| *number);
    let mut findings = Vec::new();
    for (index, (number, file)) in sorted.iter().enumerate() {
        if *number != Some(index + 1) {
            findings.push(file.finding(
                0,
                &format!(
                    "migrations are numbered without gaps: this one should be V{}__….sql",
                    index + 1
                ),
            ));
        }
        let sql = blank_sql_comments(&file.text).to_ascii_uppercase();
        let mut offset = 0;
        for statement in sql.split_inclusive(';') {
            let start = offset + statement.len() - statement.trim_start().len();
            if statement.trim_start().starts_with("CREATE TABLE")
                && !statement
                    .rsplit(')')
                    .next()
                    .unwrap_or_default()
                    .contains("STRICT")
            {
                findings.push(file.finding(
                    start,
                    "a table that is not STRICT: end the statement with `) STRICT;`",
                ));
            }
            offset += statement.len();
        }
    }
    findings
}

/// Everything that breaks a rule.
fn judge(tree: &[File]) -> Vec<String> {
    let each = |file| {
        [
            rooms(file),
            homes(file),
            sizes(file),
            declared(file, tree),
            machine_paths(file),
            dependencies(file),
        ]
        .concat()
    };
    let mut findings: Vec<String> = tree.iter().flat_map(each).collect();
    findings.extend(migrations(tree));
    findings
}

/// Every text in the tree, by its path from the root.
fn read_tree(dir: &Path, prefix: &str, tree: &mut Vec<File>) {
    for entry in dir
        .read_dir()
        .expect("a readable directory")
        .map(|entry| entry.expect("readable"))
    {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        if entry.file_type().expect("readable").is_dir() {
            read_tree(&entry.path(), &format!("{path}/"), tree);
        } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
            tree.push(File::new(&path, &text));
        }
    }
}

#[test]
fn the_tree_keeps_the_rules_of_the_house() {
    let mut tree = Vec::new();
    read_tree(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut tree);
    assert!(
        tree.iter().any(|file| file.path == "tests/it/tidy.rs"),
        "the tree was not found"
    );
    let findings = judge(&tree);
    assert!(
        findings.is_empty(),
        "{} rules broken:\n{}",
        findings.len(),
        findings.join("\n")
    );
}
