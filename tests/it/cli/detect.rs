//! `statekeep detect`: exit codes, text and JSON, and what a directory can hold.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stderr;
use crate::harness::statekeep;

const BACKEND: &str = "terraform {\n  backend \"http\" {}\n}\n";

/// A directory with these files.
fn module(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    dir
}

fn detect(dir: &Path, args: &[&str]) -> Output {
    statekeep(&[&["detect"], args].concat())
        .current_dir(dir)
        .output()
        .expect("it runs")
}

#[track_caller]
fn says(dir: &Path, args: &[&str], code: i32, text: &str) {
    let output = detect(dir, args);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{stdout}{}",
        stderr(&output)
    );
    assert!(stdout.contains(text), "{stdout}");
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn the_exit_code_is_the_answer() {
    says(
        module(&[("main.tf", BACKEND)]).path(),
        &[],
        0,
        "main.tf:2: backend \"http\"\n",
    );
    says(
        module(&[("main.tf", "")]).path(),
        &[],
        3,
        "no state storage is configured",
    );
    says(module(&[]).path(), &[], 3, "no state storage");
    says(
        module(&[("a.tf", BACKEND), ("b.tf", "x = \n")]).path(),
        &[],
        4,
        "b.tf:1: undecided: the file does not parse",
    );
    let missing = detect(Path::new("/"), &["no/such/directory"]);
    assert_eq!(
        (missing.status.code(), missing.stdout.is_empty()),
        (Some(2), true)
    );
    let a_file = module(&[("main.tf", "")]);
    assert_eq!(detect(a_file.path(), &["main.tf"]).status.code(), Some(2));
    let dir = module(&[("main.tf", BACKEND)]);
    let named = dir.path().join("main.tf");
    says(
        Path::new("/"),
        &[dir.path().to_str().expect("UTF-8")],
        0,
        &format!("{}:2: backend", named.display()),
    );
}

#[test]
fn json_for_scripts() {
    let dir = module(&[
        ("main.tf", BACKEND),
        ("more.tf.json", "{}"),
        ("z_override.tf", "terraform {\n  cloud {}\n}\n"),
    ]);
    let output = detect(dir.path(), &["--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let expected = json!({
        "answer": "configured", "program": null, "undecided": [], "not_examined": ["more.tf.json"],
        "truncated": false,
        "found": [
            {"kind": "backend", "type": "http", "file": "main.tf", "line": 2, "column": 3},
            {"kind": "cloud", "type": null, "file": "z_override.tf", "line": 2, "column": 3},
        ],
    });
    assert_eq!(answer, expected);
    let doubtful = module(&[("main.tf", "}")]);
    let answer: Value =
        serde_json::from_slice(&detect(doubtful.path(), &["--format", "json"]).stdout)
            .expect("JSON");
    assert_eq!(
        (
            &answer["answer"],
            &answer["undecided"][0]["file"],
            &answer["undecided"][0]["line"]
        ),
        (&json!("undecided"), &json!("main.tf"), &json!(1))
    );
}

#[test]
fn the_program_decides_what_is_loaded() {
    let dir = module(&[("main.tf", ""), ("main.tofu", BACKEND)]);
    says(
        dir.path(),
        &["--program", "terraform"],
        3,
        "no state storage",
    );
    says(
        dir.path(),
        &["--program", "tofu"],
        0,
        "main.tofu:2: backend",
    );
    says(dir.path(), &[], 4, "main.tofu:2: undecided");
}

#[test]
fn json_files_are_named_and_examined_only_when_asked() {
    let dir = module(&[
        ("main.tf", ""),
        ("b.tf.json", r#"{"terraform": {"backend": {"s3": {}}}}"#),
    ]);
    says(dir.path(), &[], 3, "b.tf.json: not examined");
    says(
        dir.path(),
        &["--include-json"],
        0,
        "b.tf.json:1: backend \"s3\"",
    );
    std::fs::write(dir.path().join("b.tf.json"), "{").expect("a file");
    says(dir.path(), &[], 3, "b.tf.json: not examined");
    says(dir.path(), &["--include-json"], 4, "b.tf.json:1: undecided");
}

#[test]
fn links_folders_pipes_and_strange_files() {
    let elsewhere = module(&[("backend", BACKEND)]);
    let link = |dir: &TempDir, target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, dir.path().join(name)).expect("a link");
    };
    let followed = module(&[]);
    link(&followed, &elsewhere.path().join("backend"), "main.tf");
    says(followed.path(), &[], 0, "main.tf:2: backend");
    for target in ["nowhere", "."] {
        let broken = module(&[("a.tf", BACKEND)]);
        link(&broken, Path::new(target), "broken.tf");
        says(broken.path(), &[], 4, "broken.tf: undecided");
    }
    let folder = module(&[("main.tf", BACKEND)]);
    std::fs::create_dir(folder.path().join("x.tf")).expect("a folder");
    std::fs::create_dir(folder.path().join("main.tofu")).expect("a folder");
    std::fs::write(folder.path().join("x.tf/main.tf"), "}").expect("a file");
    says(folder.path(), &[], 0, "main.tf:2");
    let pipe = module(&[]);
    let made = std::process::Command::new("mkfifo")
        .arg(pipe.path().join("pipe.tf"))
        .status();
    if made.is_ok_and(|status| status.success()) {
        says(pipe.path(), &[], 4, "pipe.tf: undecided");
    }
    let latin = module(&[]);
    std::fs::write(latin.path().join("main.tf"), b"# caf\xe9\n").expect("a file");
    says(
        latin.path(),
        &[],
        4,
        "main.tf:1: undecided: the file is not UTF-8",
    );
    let backups = module(&[
        (".hidden.tf", BACKEND),
        ("main.tf~", BACKEND),
        ("#main.tf#", BACKEND),
        ("main.tf.bak", BACKEND),
    ]);
    says(backups.path(), &[], 3, "no state storage");
}

#[test]
fn a_file_parses_where_it_does_for_both_programs() {
    let valid = [
        "locals {\n  all = [for name in true\n    ? [\"a\"]\n  : [\"b\"] : upper(name)]\n}\n",
        "locals {\n  labels = { for name, size in var.sizes : name =>\n    size > 1 ? \"large\" \
            :\n    \"small\"\n  }\n}\n",
        "locals {\n  pool = {\n    size = 2\n    name = \"p\"\n\n    size = 4\n  }\n}\n",
        "locals {\n  a = <<EOT\nEOT\n  b = <<EOT\nterraform {\n  cloud {}\n}\nEOT\n}\n",
        "locals {\n  a = (-\n    1)\n  b = \"${\n  a\n  }%{ if\n  a }x%{\n  endif }\"\n  c = \
            \"$$${a}\"\n}\n",
        "variable \"a\" { default = 1 }\r\n",
    ];
    for text in valid {
        says(
            module(&[("main.tf", text)]).path(),
            &[],
            3,
            "no state storage",
        );
        let more = format!("{text}{BACKEND}");
        says(
            module(&[("main.tf", &more)]).path(),
            &[],
            0,
            &format!("main.tf:{}: backend \"http\"", text.lines().count() + 2),
        );
    }
    let broken = [
        ("locals {\n  a = var.x.0.1\n}\n", 2, "two indexes in a row"),
        ("locals {\n  a = 1\n  a = 2\n}\n", 3, "stands twice"),
        ("locals {\n  a = 1 +\n    2\n}\n", 2, "a value is missing"),
        ("locals { a = 1\n}\n", 1, "a block on one line"),
        ("locals {\n  a = 'b'\n}\n", 2, "double quotation marks"),
        ("locals {\n  a = \"\\d\"\n}\n", 2, "begins no escape"),
        ("locals {\n  a = <<EOT\n  b\n}\n", 2, "has no end"),
        ("locals {\n  a = \"%{ if b }c\"\n}\n", 2, "endif"),
        (
            "terraform {\n  backend \"a\" \"b\" {}\n}\n",
            2,
            "takes one label",
        ),
    ];
    for (text, line, reason) in broken {
        let dir = module(&[("a.tf", BACKEND), ("main.tf", text)]);
        says(dir.path(), &[], 4, &format!("main.tf:{line}: undecided: "));
        says(dir.path(), &[], 4, reason);
    }
}

#[test]
fn limits_make_it_undecided() {
    let dir = module(&[("a.tf", BACKEND)]);
    let large = std::fs::File::create(dir.path().join("large.tf")).expect("a file");
    large.set_len(10 * 1024 * 1024 + 1).expect("a large file");
    says(
        dir.path(),
        &[],
        4,
        "large.tf: undecided: the file is larger than 10485760 bytes",
    );
    let many = module(&[]);
    for number in 0..=10_000 {
        std::fs::write(many.path().join(format!("{number}.tf")), "").expect("a file");
    }
    says(many.path(), &[], 4, "the module has 10001 files");
    std::fs::remove_file(many.path().join("0.tf")).expect("removed");
    says(many.path(), &[], 3, "no state storage");
}

#[test]
fn what_sources_hold_does_not_act_on_a_terminal() {
    let dir = module(&[
        ("main.tf", "terraform {\n  backend \"\u{202e}x\" {}\n}\n"),
        ("\u{1b}[31m.tf", "}"),
    ]);
    let output = detect(dir.path(), &[]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        !stdout.contains('\u{1b}') && !stdout.contains('\u{202e}'),
        "{stdout:?}"
    );
}
