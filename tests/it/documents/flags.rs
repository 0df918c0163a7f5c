//! Every command of the program has a section in `docs/cli.md` with its flags and their defaults,
//! and every section there is a command. The limits of `serve` stand in `docs/limits.md` as well,
//! with the same defaults.

use std::collections::{BTreeMap, BTreeSet};

use super::help::{self, Flag, Help};
use super::{CLI, LIMITS, markdown};

/// The section with the flags that many commands share.
const COMMON: &str = "Common flags";
/// The column of `docs/limits.md` with defaults, and the one with flags.
const DEFAULT_OF_LIMIT: usize = 2;
const FLAG_OF_LIMIT: usize = 3;

/// The commands whose shared flags stand in the section for them.
const WITH_COMMON: [&str; 21] = [
    "key",
    "trust",
    "hook",
    "state",
    "backup",
    "restore",
    "encrypt-storage",
    "prune",
    "retention",
    "approval",
    "quota",
    "verify",
    "import",
    "export",
    "status",
    "events",
    "find",
    "inventory",
    "whoami",
    "login",
    "logout",
];

/// The flags that many commands share.
const SHARED: [&str; 11] = [
    "--data",
    "--url",
    "--base-url",
    "--insecure-http",
    "--key-file",
    "--ca-file",
    "--client-cert",
    "--client-key",
    "--format",
    "--quiet",
    "--verbose",
];

/// Those that every command takes.
const EVERYWHERE: [&str; 2] = ["--quiet", "--verbose"];

/// What a page may say of a flag without a default of its own.
const WITHOUT_DEFAULT: [&str; 9] = [
    "none",
    "off",
    "required",
    "both",
    "the current one",
    "by the file's name",
    "from `--listen`",
    "`TF_HTTP_USERNAME`",
    "`TF_HTTP_PASSWORD`",
];

/// Flags of `serve` that are settings and no limits.
const NO_LIMITS: [&str; 26] = [
    "--backup-dir",
    "--data",
    "--events-file",
    "--issuer-ca-file",
    "--hook-ca-file",
    "--syslog",
    "--syslog-cert",
    "--syslog-key",
    "--mirror-dir",
    "--listen",
    "--base-url",
    "--trusted-proxy",
    "--tls-cert",
    "--tls-key",
    "--tls-client-ca",
    "--tls-client-certs",
    "--metrics-listen",
    "--log-format",
    "--log-level",
    "--unlocked-writes",
    "--accept-loss",
    "--restored",
    "--check",
    "--new-row-key",
    "--quiet",
    "--verbose",
];

/// A flag as a page tells it.
struct Told {
    default: String,
    row: String,
}

/// The flags of a section's tables, by their names.
fn told(section: &markdown::Section<'_>) -> BTreeMap<String, Told> {
    let mut told = BTreeMap::new();
    for (_, cells) in section.rows() {
        let name = cells[0].trim_matches('`').split_whitespace().next();
        if let Some(name) = name.filter(|name| name.starts_with("--")) {
            let default = cells.get(1).cloned().unwrap_or_default();
            let row = cells.join(" | ");
            told.insert(name.to_owned(), Told { default, row });
        }
    }
    told
}

/// A value without what only makes it easier to read: `4,096` is `4096`, `400 d` is `400d`.
fn bare(value: &str) -> String {
    let kept = value
        .chars()
        .filter(|char| !matches!(char, '`' | ',' | ' '));
    kept.collect()
}

/// What the page of the command line and the program do not agree on.
fn judge(page: &str, commands: &[Help]) -> Vec<String> {
    let sections = markdown::sections(page);
    let titled = |title: &str| sections.iter().find(|section| section.title == title);
    let common = titled(COMMON).map(told).unwrap_or_default();
    let mut findings = Vec::new();
    for help in commands.iter().filter(|help| !help.is_group()) {
        let name = &help.name;
        let Some(section) = titled(name).filter(|section| section.level == 3) else {
            findings.push(format!("`{name}` has no section"));
            continue;
        };
        let own = told(section);
        for flag in &help.flags {
            let takes_common = WITH_COMMON.contains(&name.split(' ').next().unwrap_or_default());
            let shared = common
                .get(&flag.name)
                .filter(|_| takes_common || EVERYWHERE.contains(&flag.name.as_str()));
            match own.get(&flag.name).or(shared) {
                Some(told) => findings.extend(about(name, flag, told)),
                None => findings.push(format!("`{name}` does not tell `{}`", flag.name)),
            }
        }
        let known: BTreeSet<&String> = help.flags.iter().map(|flag| &flag.name).collect();
        let invented = own.keys().filter(|flag| !known.contains(flag));
        findings.extend(invented.map(|flag| format!("`{name}` has no `{flag}`")));
    }
    findings.extend(no_commands(&sections, commands));
    findings
}

/// What is told wrongly of a flag.
fn about(command: &str, flag: &Flag, told: &Told) -> Option<String> {
    let Flag { name, default, .. } = flag;
    let is_right = match default {
        Some(default) => bare(&told.default) == bare(default),
        None => WITHOUT_DEFAULT.contains(&told.default.as_str()),
    };
    if !is_right {
        let default = default.as_deref().unwrap_or("nothing");
        let told = &told.default;
        return Some(format!(
            "`{command} {name}` defaults to {default}, not {told}"
        ));
    }
    let variable = flag.variable.as_deref()?;
    // The page says once that each flag of `serve` is a variable of the same name.
    let of_serve = format!("STATEKEEP_{}", name[2..].replace('-', "_").to_uppercase());
    let is_told = told.row.contains(variable) || (command == "serve" && variable == of_serve);
    (!is_told).then(|| format!("`{command} {name}` does not tell its variable {variable}"))
}

/// The sections in the groups of commands that are no commands.
fn no_commands(sections: &[markdown::Section<'_>], commands: &[Help]) -> Vec<String> {
    let known: BTreeSet<&str> = commands.iter().map(|help| help.name.as_str()).collect();
    let invented = sections.iter().filter(|section| {
        let synopsis = section.lines.iter().find(|line| !line.text.is_empty());
        let is_command = synopsis.is_some_and(|line| line.text.starts_with("    statekeep "));
        section.level == 3 && is_command && !known.contains(section.title)
    });
    invented
        .map(|section| format!("there is no command `{}`", section.title))
        .collect()
}

/// What `docs/limits.md` does not say of the limits of `serve`.
fn limits(page: &str, serve: &Help) -> Vec<String> {
    let lines = markdown::lines(page);
    let rows = markdown::rows(&lines);
    let row = |flag: &Flag| {
        rows.iter().find(|(_, cells)| {
            let cell = cells.get(FLAG_OF_LIMIT).map_or("", String::as_str);
            cell.starts_with("`--") && markdown::in_backticks(cell).contains(&flag.name.as_str())
        })
    };
    let mut findings = Vec::new();
    for flag in &serve.flags {
        if NO_LIMITS.contains(&flag.name.as_str()) {
            continue;
        }
        let default = flag.default.as_deref().unwrap_or("none");
        match row(flag) {
            None => findings.push(format!("docs/limits.md does not tell `{}`", flag.name)),
            Some((line, cells)) if !says(&cells[DEFAULT_OF_LIMIT], default) => {
                let told = &cells[DEFAULT_OF_LIMIT];
                let name = &flag.name;
                findings.push(format!(
                    "docs/limits.md:{line}: `{name}` is {default}, not {told}"
                ));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Whether a cell says a default, with its unit written out or not, and perhaps more than it.
fn says(cell: &str, default: &str) -> bool {
    let spelled = [
        (" days", "d"),
        (" day", "d"),
        (" min", "m"),
        (" h", "h"),
        (" s", "s"),
    ];
    let mut cell = format!("{cell};").replace(", ", "; ").replace(',', "");
    for (long, short) in spelled {
        for end in [";", " "] {
            cell = cell.replace(&format!("{long}{end}"), &format!("{short}{end}"));
        }
    }
    let clause = default.split(", ").next().unwrap_or_default();
    let mut said = cell.split(';').map(bare);
    let clause = bare(clause);
    said.any(|part| part.strip_prefix("atmost").unwrap_or(&part) == clause)
}

/// The flags of one command that many share, and do not stand under the last heading.
fn astray(help: &Help) -> Vec<String> {
    let is_shared = |flag: &Flag| {
        SHARED.contains(&flag.name.as_str())
            && (help.name.as_str(), flag.name.as_str()) != ("serve", "--base-url")
    };
    let last = help.flags.last().map_or("", |flag| &flag.heading);
    let mut findings = Vec::new();
    for flag in &help.flags {
        let is_last = flag.heading == COMMON && last == COMMON;
        if is_shared(flag) && !is_last || !is_shared(flag) && flag.heading == COMMON {
            let (name, heading) = (&flag.name, &flag.heading);
            findings.push(format!("`{} {name}` stands under {heading}", help.name));
        }
    }
    findings
}

fn serve(commands: &[Help]) -> &Help {
    let mut found = commands.iter().filter(|help| help.name == "serve");
    found.next().expect("the command `serve`")
}

#[test]
fn every_command_and_every_flag_stands_in_the_page_with_its_default() {
    let commands = help::all();
    let findings = judge(CLI, &commands);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    let findings = limits(LIMITS, serve(&commands));
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn a_command_or_flag_or_default_that_only_one_side_has_is_found() {
    let commands = help::all();
    let cases = [
        (
            "### state hold\n",
            "### state keep\n",
            "`state hold` has no section",
        ),
        (
            "### state hold\n",
            "### state keep\n",
            "there is no command `state keep`",
        ),
        (
            "| `--locked` |",
            "| `--lock` |",
            "`state list` does not tell `--locked`",
        ),
        (
            "| `--locked` |",
            "| `--lock` |",
            "`state list` has no `--lock`",
        ),
        (
            "| 4,096 |",
            "| 4,097 |",
            "`serve --max-queue` defaults to 4096, not 4,097",
        ),
        (
            "| `0s` |",
            "| none |",
            "`key rotate --grace` defaults to 0s, not none",
        ),
        (
            "| `--id LOCK_ID` | none |",
            "| `--id LOCK_ID` | 1 |",
            "`state unlock --id` defaults to",
        ),
        (
            " (`STATEKEEP_DATA`)",
            "",
            "`state list --data` does not tell its variable",
        ),
    ];
    for (there, planted, beginning) in cases {
        assert!(CLI.contains(there), "{there}");
        let findings = judge(&CLI.replace(there, planted), &commands);
        let is_found = findings
            .iter()
            .any(|finding| finding.starts_with(beginning));
        assert!(is_found, "{planted}: {findings:#?}");
    }
}

#[test]
fn a_limit_or_default_that_only_one_side_has_is_found() {
    let commands = help::all();
    let cases = [
        (
            "`--max-queue`, 1",
            "`--max-line`, 1",
            "docs/limits.md does not tell `--max-queue`",
        ),
        (
            "| 400 days |",
            "| 401 days |",
            ": `--event-retention` is 400d, not 401 days",
        ),
        (
            "| 4,096 |",
            "| 4,097 |",
            ": `--max-queue` is 4096, not 4,097",
        ),
    ];
    for (there, planted, end) in cases {
        assert!(LIMITS.contains(there), "{there}");
        let findings = limits(&LIMITS.replace(there, planted), serve(&commands));
        let is_found = findings.iter().any(|finding| finding.ends_with(end));
        assert!(is_found, "{planted}: {findings:#?}");
    }
}

#[test]
fn shared_flags_stand_under_one_heading_at_the_end_of_help() {
    let commands = help::all();
    let leaves = commands.iter().filter(|help| !help.is_group());
    let findings: Vec<String> = leaves.flat_map(astray).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));

    let text = "Common flags:\n      --data <DIR>\n      --yes\n\nLimits:\n      --url <URL>\n";
    let expected = [
        "`x --data` stands under Common flags",
        "`x --yes` stands under Common flags",
        "`x --url` stands under Limits",
    ];
    assert_eq!(astray(&Help::read("x", text)), expected);
}
