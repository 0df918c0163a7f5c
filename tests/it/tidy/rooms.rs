//! The first table: what each room may use, where each heavy dependency lives, what the pure rooms
//! do not know, and which words of SQL and printing stay at home.

use super::matching::{File, first_names, is_rust};

/// What each room may use beside itself.
const ROOMS: [(&str, &[&str]); 16] = [
    ("model", &[]),
    ("config", &["model", "seal"]),
    ("telemetry", &["model"]),
    ("metrics", &["model"]),
    ("packed", &[]),
    ("sabotage", &[]),
    ("seal", &["model"]),
    ("blob", &["model", "sabotage"]),
    ("diff", &["model"]),
    ("hcl", &["model"]),
    ("sqlite_file", &[]),
    ("salvage", &["model", "blob", "seal", "sqlite_file"]),
    (
        "store",
        &["model", "metrics", "sabotage", "seal", "sqlite_file"],
    ),
    (
        "domain",
        &[
            "model", "blob", "diff", "seal", "store", "metrics", "config", "sabotage",
        ],
    ),
    (
        "http",
        &[
            "model",
            "domain",
            "metrics",
            "config",
            "telemetry",
            "hcl",
            "packed",
            "sabotage",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "domain",
            "http",
            "hcl",
            "diff",
            "salvage",
            "seal",
            "config",
            "packed",
            "telemetry",
        ],
    ),
];

/// The one home of each heavy dependency.
const HOMES: [(&str, &[&str]); 31] = [
    ("rusqlite", &["src/store/"]),
    ("refinery", &["src/store/"]),
    ("actix_web", &["src/http/"]),
    ("actix_http", &["src/http/server/"]),
    ("actix_service", &["src/http/server/"]),
    ("flate2", &["src/http/endpoints/page.rs", "src/packed.rs"]),
    ("rust_embed", &["src/http/endpoints/page.rs"]),
    ("zstd", &["src/blob/", "src/cli/export/manifest.rs"]),
    ("argon2", &["src/domain/"]),
    ("unicode_ident", &["src/hcl/"]),
    ("hcl_edit", &["src/hcl/writing.rs"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("comfy_table", &["src/cli/"]),
    ("reqwest", &["src/cli/"]),
    ("hickory_resolver", &["src/cli/client/names.rs"]),
    ("tar", &["src/cli/", "src/hcl/", "src/domain/backups/"]),
    ("rustls", &["src/cli/", "src/http/"]),
    ("rustls_platform_verifier", &["src/cli/client/syslog.rs"]),
    (
        "tokio_rustls",
        &["src/http/server/secure.rs", "src/cli/client/syslog.rs"],
    ),
    ("h2", &["src/http/server/http2.rs"]),
    ("http_types", &["src/http/server/http2.rs"]),
    ("rcgen", &["src/cli/tls/", "src/config/certificate.rs"]),
    ("x509_parser", &["src/config/certificate.rs"]),
    ("prometheus", &["src/metrics.rs"]),
    ("rayon", &["src/domain/"]),
    (
        "ring",
        &[
            "src/model/signed_head.rs",
            "src/seal/",
            "src/domain/auth/id_tokens/key_set.rs",
            "src/http/tls/",
            "src/cli/tls/",
        ],
    ),
    ("signal_hook", &["src/cli/process/"]),
    ("bip39", &["src/cli/key/storage.rs"]),
    ("strsim", &["src/cli/common/nearest.rs"]),
    ("tikv_jemallocator", &["src/main.rs"]),
];

/// What pure rooms do not know of.
const IMPURE: [&str; 4] = ["std::fs", "std::net", "std::process", "tokio"];
const PURE_ROOMS: [&str; 4] = ["src/model/", "src/seal/", "src/blob/", "src/diff/"];

/// The beginnings of SQL statements, which stay in `store`.
const SQL: [&str; 3] = ["SELECT ", "INSERT INTO ", "DELETE FROM "];

/// `http` asks `domain` and never names `store`: the first table.
pub(super) fn rooms(file: &File) -> Vec<String> {
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
pub(super) fn homes(file: &File) -> Vec<String> {
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
