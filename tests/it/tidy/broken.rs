//! A control: each rule finds what breaks it, at its line, and nothing in a tree that keeps them
//! all.

use super::{File, MAX_FILE_LINES, MAX_FUNCTION_LINES, judge};

/// Path, text, and how one of the findings has to begin.
fn cases() -> Vec<(&'static str, String, &'static str)> {
    let long_function = format!(
        "//! x\nfn long() {{\n{}}}\n",
        "    step();\n".repeat(MAX_FUNCTION_LINES + 1)
    );
    let own = |text: &str| text.to_owned();
    vec![
        (
            "src/http/state.rs",
            own("//! x\nuse crate::store::Store;\n"),
            "src/http/state.rs:2: `http` may not use `store`",
        ),
        (
            "src/http/state.rs",
            own("//! x\nuse crate::{\n    domain::{a, store},\n    blob,\n};\n"),
            "src/http/state.rs:2: `http` may not use `blob`",
        ),
        (
            "src/http/state.rs",
            own("//! x\nfn a() {\n    super::super::store::open();\n}\n"),
            "src/http/state.rs:3: `http` may not use `store`",
        ),
        (
            "src/http/mod.rs",
            own("//! x\nuse super::blob;\n"),
            "src/http/mod.rs:2: `http` may not use `blob`",
        ),
        (
            "src/model/name.rs",
            own("//! x\nuse crate::config::Config;\n"),
            "src/model/name.rs:2: `model` may not use `config`",
        ),
        (
            "src/attic/old.rs",
            own("//! x\n"),
            "src/attic/old.rs:1: the room `attic` is not in the table",
        ),
        (
            "src/domain/keys.rs",
            own("//! x\n\nuse rusqlite::Row;\n"),
            "src/domain/keys.rs:3: `rusqlite` lives in",
        ),
        (
            "src/http/mod.rs",
            own("//! x\nuse rust_embed::RustEmbed;\n"),
            "src/http/mod.rs:2: `rust_embed` lives in",
        ),
        (
            "src/config.rs",
            own("//! x\n#[derive(clap::Args)]\nstruct Flags;\n"),
            "src/config.rs:2: `clap` lives in",
        ),
        (
            "src/domain/mod.rs",
            own("//! x\nasync fn a() -> Result<actix_web::HttpResponse, ()> {}\n"),
            "src/domain/mod.rs:2: `actix_web` lives in",
        ),
        (
            "src/model/clock.rs",
            own("//! x\nuse std::fs;\n"),
            "src/model/clock.rs:2: `std::fs` in a pure room",
        ),
        (
            "src/domain/keys.rs",
            own("//! x\nconst A: &str = \"SELECT 1\";\n"),
            "src/domain/keys.rs:2: SQL stays",
        ),
        (
            "src/cli/keys.rs",
            own("//! x\nfn a() {\n    eprintln!(\"x\");\n}\n"),
            "src/cli/keys.rs:3: only src/cli/output.rs prints",
        ),
        (
            "src/model/name.rs",
            own("use std::fmt;\n"),
            "src/model/name.rs:1: a file opens with",
        ),
        (
            "tests/it/rules.rs",
            own("// x\n"),
            "tests/it/rules.rs:1: a file opens with",
        ),
        (
            "src/model/name.rs",
            format!("//! x\n{}", "\n".repeat(MAX_FILE_LINES)),
            "src/model/name.rs:1: 501 lines, at most 500",
        ),
        (
            "src/model/name.rs",
            long_function,
            "src/model/name.rs:2: 71 lines in a function, at most 70",
        ),
        (
            "tests/it/forgotten.rs",
            own("//! x\n"),
            "tests/it/forgotten.rs:1: nobody declares this file",
        ),
        (
            "tests/it/api/mod.rs",
            own("//! x\n"),
            "tests/it/api/mod.rs:1: nobody declares this file",
        ),
        (
            "docs/operation.md",
            format!("x\ncd {}main\n", super::MACHINE_PATHS[0]),
            "docs/operation.md:2: `/",
        ),
        (
            "Cargo.toml",
            own("[dependencies]\n# Why.\na = \"1\"\n\nb = \"1\"\n"),
            "Cargo.toml:5: a dependency without its reason",
        ),
        (
            "migrations/V2__late.sql",
            own(""),
            "migrations/V2__late.sql:1: migrations are numbered without gaps",
        ),
        (
            "migrations/first.sql",
            own(""),
            "migrations/first.sql:1: migrations are numbered without gaps",
        ),
        (
            "migrations/V1__x.sql",
            own("-- A; note.\n\nCREATE TABLE a (b TEXT); -- STRICT\n"),
            "migrations/V1__x.sql:3: a table that is not STRICT",
        ),
    ]
}

#[test]
fn each_rule_finds_what_breaks_it() {
    for (path, text, beginning) in cases() {
        let findings = judge(&[File::new(path, &text)]);
        assert!(
            findings
                .iter()
                .any(|finding| finding.starts_with(beginning)),
            "{path} should give `{beginning}…`: {findings:#?}\n{text}"
        );
    }
}

#[test]
fn what_keeps_the_rules_is_left_alone() {
    let names = r##"//! Names; see `crate::store` and `println!`.
/* crate::http */
use super::key::KeyId;
const TEXT: &str = "use crate::store; println!(\"{\")";
const RAW: &str = r#"crate::http " println!("#;
const QUOTE: char = '"';
const BRACE: char = '{';
fn longest<'a>(a: &'a str, b: [u8; 2]) -> &'a str {
    a // crate::cli
}
"##;
    let tree = [
        File::new(
            "src/lib.rs",
            "//! x\npub mod model;\npub mod domain;\nmod blob;\nuse crate::store::Store;\n",
        ),
        File::new("src/model/mod.rs", "//! x\npub mod name;\n"),
        File::new("src/model/name.rs", names),
        File::new("src/blob/mod.rs", "//! x\nmod zstd;\nuse zstd::bulk;\n"),
        File::new(
            "src/blob/zstd.rs",
            "//! x\nuse crate::{model::{name, digest}};\n",
        ),
        File::new(
            "src/domain.rs",
            "//! x\nuse crate::{blob, model::{name::Name, store}, store::{Store, http}};\nuse super::config;\n",
        ),
        File::new("tests/it/main.rs", "//! x\nmod rules;\n"),
        File::new("tests/it/rules.rs", "//! x\nfn a() {\n    println!();\n}\n"),
        File::new(
            "migrations/V1__x.sql",
            "CREATE TABLE a (b TEXT CHECK (b <> '')) STRICT;\nCREATE TABLE c (\n  d TEXT\n) STRICT, WITHOUT ROWID;\n",
        ),
        File::new("migrations/V2__y.sql", "CREATE INDEX e ON a (b);\n"),
        File::new(
            "Cargo.toml",
            "[package]\nname = \"x\"\n\n[dependencies]\n# Why.\na = \"1\"\nb = { version = \"1\" }\n[lints.rust]\nc = \"x\"\n",
        ),
    ];
    assert_eq!(judge(&tree), Vec::<String>::new());
}
