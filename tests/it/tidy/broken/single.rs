//! One file that breaks one rule.

/// Its path, its text, and how one of the findings goes on behind the path.
pub(super) const CASES: [(&str, &str, &str); 31] = [
    (
        "src/http/state.rs",
        "//! x\nuse crate::store::Store;\n",
        "2: `http` may not use `store`",
    ),
    (
        "src/http/state.rs",
        "//! x\nuse crate::{\n    domain::{a, store},\n    blob,\n};\n",
        "2: `http` may not use `blob`",
    ),
    (
        "src/http/state.rs",
        "//! x\nfn a() {\n    super::super::store::open();\n}\n",
        "3: `http` may not use `store`",
    ),
    (
        "src/http/mod.rs",
        "//! x\nuse super::blob;\n",
        "2: `http` may not use `blob`",
    ),
    (
        "src/model/name.rs",
        "//! x\nuse crate::config::Config;\n",
        "2: `model` may not use `config`",
    ),
    (
        "src/store/tables/keys.rs",
        "//! x\nfn a(c: &C) {\n    c.prepare(\"SELECT 1\");\n}\n",
        "3: a statement whose plan nobody looks at",
    ),
    (
        "src/store/tables/keys.rs",
        "//! x\nfn a(&self) {\n    self.connection.execute(\"DELETE FROM keys\", []);\n}\n",
        "3: a statement whose plan nobody looks at",
    ),
    (
        "src/attic/old.rs",
        "//! x\n",
        "1: the room `attic` is not in the table",
    ),
    (
        "src/domain/attic.rs",
        "//! x\n",
        "1: the area `attic` is not in the table",
    ),
    (
        "src/domain/keys.rs",
        "//! x\n\nuse rusqlite::Row;\n",
        "3: `rusqlite` lives in",
    ),
    (
        "src/http/mod.rs",
        "//! x\nuse rust_embed::RustEmbed;\n",
        "2: `rust_embed` lives in",
    ),
    (
        "src/config.rs",
        "//! x\n#[derive(clap::Args)]\nstruct Flags;\n",
        "2: `clap` lives in",
    ),
    (
        "src/domain/mod.rs",
        "//! x\nasync fn a() -> Result<actix_web::HttpResponse, ()> {}\n",
        "2: `actix_web` lives in",
    ),
    (
        "src/model/clock.rs",
        "//! x\nuse std::fs;\n",
        "2: `std::fs` in a pure room",
    ),
    (
        "src/domain/keys.rs",
        "//! x\nconst A: &str = \"SELECT 1\";\n",
        "2: SQL stays",
    ),
    (
        "src/cli/keys.rs",
        "//! x\nfn a() {\n    eprintln!(\"x\");\n}\n",
        "3: only src/cli/output.rs prints",
    ),
    (
        "src/model/name.rs",
        "use std::fmt;\n",
        "1: a file opens with",
    ),
    ("tests/it/rules.rs", "// x\n", "1: a file opens with"),
    (
        "tests/it/forgotten.rs",
        "//! x\n",
        "1: nobody declares this file",
    ),
    (
        "tests/it/api/mod.rs",
        "//! x\n",
        "1: nobody declares this file",
    ),
    (
        "Cargo.toml",
        "[dependencies]\n# Why.\na = \"1\"\n\nb = \"1\"\n",
        "5: a dependency without its reason",
    ),
    (
        "migrations/V2__late.sql",
        "",
        "1: migrations are numbered without gaps",
    ),
    (
        "migrations/first.sql",
        "",
        "1: migrations are numbered without gaps",
    ),
    (
        "migrations/V1__x.sql",
        "-- A; note.\n\nCREATE TABLE a (b TEXT); -- STRICT\n",
        "3: a table that is not STRICT",
    ),
    (
        "src/blob/mod.rs",
        "//! x\nstruct UnsettledRows;\nstruct SettledRows;\n",
        "3: `SettledRows`: the field's word is `compact`",
    ),
    (
        "src/domain/engine/mod.rs",
        "//! x\nfn give(lease: Lease) {}\n",
        "2: `Lease`: the field's word is `Reservation`",
    ),
    (
        "src/store/mod.rs",
        "//! x\nconst JOURNAL_LIMIT: u64 = 1;\n",
        "2: `JOURNAL_LIMIT`: the field's word is `WAL`",
    ),
    (
        "src/store/mod.rs",
        "//! x\nfn a() {\n    store.look(|_| ());\n}\n",
        "3: `look`: the field's word is `read_inline`",
    ),
    (
        "src/hcl/mod.rs",
        "//! x\nfn a(cow: Borrowed) {}\n",
        "2: `Borrowed`: the field's word is `OverrideFile`",
    ),
    (
        "src/model/a.rs",
        "//! x\nuse super::a::b as rehearsals;\n",
        "2: `rehearsals`: the field's word is `preview`",
    ),
    (
        "src/cli/terraform/calls.rs",
        "//! x\nfn a(patience: &mut Patience) {}\n",
        "2: `Patience`: the field's word is `WhenFull`",
    ),
];
