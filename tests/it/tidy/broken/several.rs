//! Several files that break one rule together.

/// The files, and how one of the findings begins.
pub(super) const CASES: [(&str, &str); 15] = [
    (
        "=== src/blob/a.rs\n//! x\nuse super::b::B;\n\
         === src/blob/b.rs\n//! x\nfn a() {\n    crate::blob::a::a();\n}\n",
        "src/blob/a.rs:2: a circle of 2 files: blob::a -> blob::b -> blob::a;",
    ),
    (
        "=== src/diff/mod.rs\n//! x\nmod one;\npub use one::{One, other as two};\n\
         === src/diff/one.rs\n//! x\n\nuse crate::{diff::Two, model};\n",
        "src/diff/mod.rs:3: a circle of 2 files: diff -> diff::one -> diff;",
    ),
    (
        "=== src/store/mod.rs\n//! x\nmod all;\npub use all::*;\n\
         === src/store/all.rs\n//! x\nuse super::Store;\n",
        "src/store/mod.rs:3: a circle of 2 files: store -> store::all -> store;",
    ),
    (
        "=== src/hcl/x.rs\n//! x\nuse super::{y, z::{self, Z}};\n\
         === src/hcl/y.rs\n//! x\n=== src/hcl/z.rs\n//! x\nuse super::w;\n\
         === src/hcl/w.rs\n//! x\nfn a() -> super::x::X {}\n",
        "src/hcl/x.rs:2: a circle of 3 files: hcl::x -> hcl::z -> hcl::w -> hcl::x;",
    ),
    (
        "=== src/cli/p.rs\n//! x\nuse crate::cli::q;\nfn a() {\n    q::deep::b();\n}\n\
         === src/cli/q/mod.rs\n//! x\n=== src/cli/q/deep.rs\n//! x\nuse super::super::p;\n",
        "src/cli/p.rs:4: a circle of 2 files: cli::p -> cli::q::deep -> cli::p;",
    ),
    (
        "=== benches/figures/process.rs\n//! x\nuse crate::{Res, rivals};\n\
         === benches/figures/rivals.rs\n//! x\nuse crate::process::Sync;\n",
        "benches/figures/process.rs:2: a circle of 2 files: process -> rivals -> process;",
    ),
    (
        "=== src/domain/mod.rs\n//! x\n\
         === src/domain/engine/sync.rs\n//! x\nuse crate::domain::Domain;\n",
        "src/domain/engine/sync.rs:2: `engine` may not use `Domain`",
    ),
    (
        "=== src/domain/states/mod.rs\n//! x\n\
         === src/domain/auth/keys.rs\n//! x\nuse super::super::states::States;\n",
        "src/domain/auth/keys.rs:2: `auth` may not use `states`",
    ),
    (
        "=== src/domain/states/write.rs\n//! x\nfn a() {\n    crate::domain::history::a();\n}\n\
         === src/domain/history/mod.rs\n//! x\n",
        "src/domain/states/write.rs:3: `states` may not use `history`",
    ),
    (
        "=== src/domain/error.rs\n//! x\nuse super::history::rollback::NoRollback;\n\
         === src/domain/history/rollback.rs\n//! x\n",
        "src/domain/error.rs:2: `error` may not use `history`",
    ),
    (
        "=== src/domain/content/read.rs\n//! x\n=== src/domain/events.rs\n//! x\n\n\
         use super::{content::read};\n",
        "src/domain/events.rs:3: `events` may not use `content`",
    ),
    (
        "=== src/http/endpoints/lock.rs\n//! x\nuse super::state::judge;\n\
         === src/http/endpoints/state.rs\n//! x\n",
        "src/http/endpoints/lock.rs:2: an endpoint may not use `http::endpoints::state`",
    ),
    (
        "=== src/model/version.rs\n//! x\npub enum Kind {}\n\
         === src/hcl/kinds.rs\n//! x\n\npub(super) struct Kind;\n",
        "src/hcl/kinds.rs:3: `Kind` is a type of src/model/version.rs too",
    ),
    (
        "=== src/model/a.rs\n//! x\npub type Pair<T> = (T, T);\n\
         === src/store/b.rs\n//! x\npub(in crate::store) trait Pair {}\n",
        "src/store/b.rs:2: `Pair` is a type of src/model/a.rs too",
    ),
    (
        "=== migrations/V1__a.sql\n\n=== migrations/V3__b.sql\n\n",
        "migrations/V3__b.sql:1: migrations are numbered without gaps",
    ),
];
