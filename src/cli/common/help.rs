//! What `--help` of a command has beside its own flags: the flags that many commands share, under
//! one heading at its end, and examples behind them.
//!
//! Each command has an example. A test runs those that need nothing but a data directory.

use clap::{Arg, Command};

/// The heading of the flags that many commands share.
const COMMON: &str = "Common flags";

/// The flags below it, by their names in the definition.
const SHARED: [&str; 11] = [
    "data",
    "url",
    "base_url",
    "insecure_http",
    "key_file",
    "ca_file",
    "client_cert",
    "client_key",
    "format",
    "quiet",
    "verbose",
];

/// Each command with its examples.
const EXAMPLES: [(&str, &[&str]); 75] = [
    (
        "serve",
        &[
            "statekeep serve --data /var/lib/statekeep",
            "statekeep serve --keep-last 100 --drop-intermediate 14d",
            "statekeep serve --listen 0.0.0.0:8680 --tls-cert server.pem --tls-key server.key",
        ],
    ),
    (
        "key create",
        &[
            "statekeep key create team-a --workspace team-a --role writer --expires 90d",
            "SECRET=$(statekeep key create plans --workspace team-a --role planner)",
        ],
    ),
    ("key list", &["statekeep key list"]),
    ("key show", &["statekeep key show ci"]),
    ("key revoke", &["statekeep key revoke ci --yes"]),
    ("key rotate", &["statekeep key rotate ci --grace 10m"]),
    (
        "trust create",
        &[
            "statekeep trust create ci --issuer https://git.example --audience ci --jwks-file \\",
            "  \"$PWD/gitlab.jwks\" --claim 'project_path=infra/*' --workspace infra --role writer",
        ],
    ),
    ("trust list", &["statekeep trust list"]),
    ("trust show", &["statekeep trust show gitlab"]),
    ("trust remove", &["statekeep trust remove gitlab --yes"]),
    (
        "hook create",
        &["statekeep hook create https://chat.example.com/statekeep --on attention,backup_failed"],
    ),
    ("hook list", &["statekeep hook list"]),
    (
        "hook show",
        &["statekeep hook show https://chat.example.com/statekeep"],
    ),
    (
        "hook test",
        &["statekeep hook test https://chat.example.com/statekeep"],
    ),
    (
        "hook enable",
        &["statekeep hook enable https://chat.example.com/statekeep"],
    ),
    (
        "hook delete",
        &["statekeep hook delete https://chat.example.com/statekeep --yes"],
    ),
    (
        "state list",
        &[
            "statekeep state list --workspace team-a",
            "statekeep state list --locked",
        ],
    ),
    (
        "state show",
        &[
            "statekeep state show team-a/network",
            "statekeep state show team-a/network 'aws_x.of_4[0]'",
        ],
    ),
    (
        "state pull",
        &[
            "statekeep state pull team-a/network > network.tfstate",
            "statekeep state pull team-a/network --version 2",
        ],
    ),
    (
        "state history",
        &[
            "statekeep state history team-a/network --limit 10",
            "statekeep state history team-a/network --kind rejected",
        ],
    ),
    (
        "state diff",
        &[
            "statekeep state diff team-a/network",
            "statekeep state diff team-a/network 1 3",
        ],
    ),
    (
        "state blame",
        &[
            "statekeep state blame team-a/network 'aws_x.of_4[0]'",
            "statekeep state blame team-a/network 'aws_x.of_4[0]' id --limit 1",
        ],
    ),
    (
        "state resources",
        &[
            "statekeep state resources team-a/network",
            "statekeep state resources team-a/network --type aws_x --version 2",
        ],
    ),
    ("state outputs", &["statekeep state outputs team-a/network"]),
    (
        "state consumers",
        &["statekeep state consumers team-a/network"],
    ),
    (
        "state rollback",
        &[
            "statekeep state rollback team-a/network 2 --dry-run",
            "statekeep state rollback team-a/network 2 --yes",
        ],
    ),
    (
        "state purge",
        &["statekeep state purge team-a/network 1 2 --yes"],
    ),
    ("state restore", &["statekeep state restore team-a/old"]),
    (
        "state move",
        &["statekeep state move team-a/network team-a/net"],
    ),
    (
        "state unlock",
        &[
            "statekeep state unlock team-a/storage --yes",
            "statekeep state unlock team-a/storage --id 3f1c",
        ],
    ),
    (
        "state acknowledge",
        &["statekeep state acknowledge team-a/network --word \"ticket 4711\""],
    ),
    (
        "state hold",
        &["statekeep state hold team-a/network 2 --reason \"audit 2026\""],
    ),
    (
        "state freeze",
        &["statekeep state freeze team-a/network --reason \"audit\" --for 2d"],
    ),
    (
        "state unfreeze",
        &["statekeep state unfreeze team-a/network"],
    ),
    (
        "state release",
        &["statekeep state release team-a/network 2"],
    ),
    (
        "state delete",
        &["statekeep state delete team-a/network --yes"],
    ),
    (
        "import",
        &[
            "statekeep import states --workspace team-b --dry-run",
            "statekeep import states --from s3-folder --workspace team-b --dry-run",
            "statekeep import states/network.tfstate --workspace team-b --building-block network",
            "statekeep import --from-url URL --workspace team-b --building-block network",
        ],
    ),
    (
        "export",
        &[
            "statekeep export ./export",
            "statekeep export team-a.tar --workspace team-a",
        ],
    ),
    (
        "backup",
        &[
            "statekeep backup before-upgrade.tar.zst",
            "mkdir -p backups && statekeep backup backups --keep 14",
            "statekeep backup - > copy.tar.zst",
        ],
    ),
    (
        "restore",
        &[
            "statekeep restore backup.tar.zst --dry-run",
            "statekeep restore backup.tar.zst --data ./restored --revoke-keys",
        ],
    ),
    (
        "verify",
        &[
            "statekeep verify --quick",
            "statekeep verify --state team-a/network",
            "statekeep verify --events",
        ],
    ),
    (
        "salvage",
        &[
            "statekeep salvage statekeep-data ./salvaged",
            "statekeep salvage statekeep-data/statekeep.db ./salvaged --format json",
        ],
    ),
    (
        "prune",
        &["statekeep prune --keep-last 20 --keep-within 90d --dry-run"],
    ),
    ("approval list", &["statekeep approval list"]),
    ("approval give", &["statekeep approval give 482910"]),
    ("approval refuse", &["statekeep approval refuse 482910"]),
    (
        "encrypt-storage",
        &["STATEKEEP_STORAGE_KEY_FILE=storage.key statekeep encrypt-storage"],
    ),
    ("key new-storage", &["statekeep key new-storage new.key"]),
    ("key escrow", &["statekeep key escrow storage.key"]),
    (
        "key from-escrow",
        &["statekeep key from-escrow storage.key.again < words.txt"],
    ),
    (
        "key rekey-storage",
        &["STATEKEEP_STORAGE_KEY_FILE=storage.key statekeep key rekey-storage"],
    ),
    ("quota list", &["statekeep quota list"]),
    ("quota show", &["statekeep quota show team-a"]),
    (
        "quota set",
        &["statekeep quota set team-a --bytes 5GiB --states 200 --rate 120"],
    ),
    ("quota clear", &["statekeep quota clear team-a"]),
    ("retention list", &["statekeep retention list"]),
    (
        "retention set",
        &[
            "statekeep retention set team-a --keep-last 20 --keep-within 90d",
            "statekeep retention set team-a --keep-all",
        ],
    ),
    ("retention unset", &["statekeep retention unset team-a"]),
    (
        "retention trust-clock",
        &["statekeep retention trust-clock"],
    ),
    (
        "detect",
        &[
            "statekeep detect live",
            "statekeep detect live --program tofu --format json",
        ],
    ),
    (
        "configure",
        &["statekeep configure live --workspace team-a --building-block network"],
    ),
    (
        "run",
        &[
            "statekeep run --workspace team-a --building-block network -- terraform apply",
            "statekeep run --workspace team-a -- make deploy",
        ],
    ),
    (
        "transfer",
        &[
            "statekeep transfer --workspace team-a --building-block network -- terraform",
            "statekeep transfer --workspace team-a --building-block network --abandon",
        ],
    ),
    (
        "tls self-signed",
        &["statekeep tls self-signed state.example.net 10.0.0.5"],
    ),
    (
        "completions",
        &["statekeep completions bash > statekeep.bash"],
    ),
    ("status", &["statekeep status", "statekeep status --json"]),
    (
        "events",
        &[
            "statekeep events --attention --since 2d",
            "statekeep events team-a/network --kind state.write",
            "statekeep events --head",
            "statekeep events --check events.jsonl",
        ],
    ),
    (
        "find",
        &[
            "statekeep find 10.20.3.4",
            "statekeep find web --type aws_instance --workspace team-a",
        ],
    ),
    (
        "inventory",
        &[
            "statekeep inventory --not-applied-for 30d --sort oldest-apply",
            "statekeep inventory --workspace team-a --type aws_instance",
        ],
    ),
    ("whoami", &["statekeep whoami"]),
    (
        "login",
        &[
            "statekeep login --url https://state.example.net",
            "statekeep login --url https://state.example.net --key-file key",
        ],
    ),
    (
        "logout",
        &["statekeep logout --url https://state.example.net"],
    ),
    (
        "help",
        &["statekeep help operation", "statekeep help state list"],
    ),
    ("version", &["statekeep version"]),
    ("man", &["statekeep man ."]),
];

/// The same command, and those below it, with what each help has at its end.
pub(in crate::cli) fn complete(command: Command) -> Command {
    below(command, "")
}

fn below(command: Command, path: &str) -> Command {
    let share = |arg| {
        if is_shared(path, &arg) {
            arg.help_heading(COMMON)
        } else {
            arg
        }
    };
    let command = command.mut_args(share).mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name());
        below(sub, path.trim_start())
    });
    match EXAMPLES.iter().find(|(name, _)| *name == path) {
        Some((_, lines)) => command.after_help(format!("Examples:\n  {}", lines.join("\n  "))),
        None => command,
    }
}

/// The server's own address is one of its settings, and no way to a server.
fn is_shared(path: &str, arg: &Arg) -> bool {
    let name = arg.get_id().as_str();
    SHARED.contains(&name) && (path, name) != ("serve", "base_url")
}
