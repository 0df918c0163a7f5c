//! Wrong usage, help, versions and completions.

use crate::harness::statekeep;

use super::stderr;

/// Command lines that are wrong.
const WRONG: [&[&str]; 30] = [
    &[],
    &["nothing"],
    &["key"],
    &["state"],
    &["key", "create"],
    &["key", "show"],
    &[
        "key",
        "rotate",
        "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb",
        "--grace",
        "soon",
    ],
    &[
        "key",
        "create",
        "x",
        "--building-block",
        "net",
        "--role",
        "writer",
    ],
    &[
        "key",
        "create",
        "x",
        "--workspace",
        "team",
        "--role",
        "writer",
        "--expires",
        "someday",
    ],
    &["state", "show"],
    &["state", "show", "no-slash"],
    &["state", "show", "a/b/c"],
    &["state", "pull", "../x"],
    &["state", "pull", "team/net", "--version", "first"],
    &["state", "move", "team/net"],
    &["state", "list", "--format", "xml"],
    &["state", "hold", "team/net", "1"],
    &["state", "release", "team/net", "first"],
    &["events", "--check", "f", "--acknowledge", "1"],
    &["events", "--check", "f", "--acknowledged"],
    &["events", "--head", "--acknowledge", "1"],
    &["events", "--head", "--limit", "1"],
    &["prune"],
    &["prune", "--keep-last", "0"],
    &["prune", "--keep-within", "0s"],
    &["prune", "--keep-last", "1", "--configured"],
    &[
        "prune",
        "--keep-last",
        "1",
        "--workspace",
        "team",
        "--state",
        "team/net",
    ],
    &["retention", "set", "team"],
    &["retention", "set", "team", "--keep-all", "--keep-last", "1"],
    &["completions", "tcsh"],
];

#[test]
fn wrong_usage_is_2_with_a_message_on_stderr() {
    let dir = tempfile::TempDir::new().expect("a directory");
    for args in WRONG {
        let output = statekeep(args)
            .current_dir(dir.path())
            .output()
            .expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{args:?}"
        );
    }
    assert!(
        std::fs::read_dir(dir.path())
            .expect("a directory")
            .next()
            .is_none(),
        "nothing was made"
    );
}

#[test]
fn help_and_version_are_data() {
    for args in [
        &["--help"][..],
        &["--version"],
        &["serve", "--help"],
        &["state", "history", "--help"],
        &["key", "create", "--help"],
    ] {
        let output = statekeep(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{args:?}"
        );
    }
    let help = statekeep(&["serve", "--help"]).output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let flags = [
        "--data",
        "--listen",
        "--base-url",
        "--trusted-proxy",
        "--max-state-size",
        "--max-in-flight",
        "--min-free-space",
        "--unlocked-writes",
        "--token-lifetime",
        "--event-retention",
        "--lasting-event-retention",
        "--max-events",
        "--max-lasting-events",
        "--keep-last",
        "--keep-within",
        "--keep-daily",
        "--keep-weekly",
        "--drop-intermediate",
        "--keep-rejected",
        "--prune-every",
        "--max-clock-jump",
        "--log-format",
        "--log-level",
    ];
    for flag in flags {
        assert!(help.contains(flag), "{flag}");
        let variable = format!(
            "STATEKEEP_{}",
            flag.trim_start_matches("--")
                .replace('-', "_")
                .to_uppercase()
        );
        assert!(help.contains(&variable), "{variable}");
    }
}

#[test]
fn completions_are_made_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = statekeep(&["completions", shell])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("statekeep")
                && text.contains("rotate")
                && text.contains("unlocked-writes"),
            "{shell}"
        );
    }
}

#[test]
fn an_approval_is_given_by_the_word_of_its_column_too() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().to_str().expect("UTF-8");
    for word in ["give", "approve"] {
        let args = ["approval", word, "482910", "--data", data];
        let output = statekeep(&args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    }
    for group in [
        "state",
        "key",
        "trust",
        "hook",
        "approval",
        "retention",
        "quota",
    ] {
        let output = statekeep(&[group, "ls", "--help"])
            .output()
            .expect("it runs");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{group} ls, as docs/cli.md says"
        );
    }
}

#[test]
fn a_command_below_another_is_named_with_each_group_that_has_it() {
    for (word, meant) in [
        ("unlock", "did you mean 'statekeep state unlock'?"),
        ("self-signed", "did you mean 'statekeep tls self-signed'?"),
        (
            "show",
            "did you mean 'statekeep state show', 'statekeep key show', 'statekeep trust show', \
                'statekeep hook show' or 'statekeep quota show'?",
        ),
        // Also by the word that the act has in tables and in the API.
        ("approve", "did you mean 'statekeep approval give'?"),
    ] {
        let output = statekeep(&[word]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{word}");
        assert!(stderr(&output).contains(meant), "{}", stderr(&output));
    }
}

#[test]
fn manual_pages_are_for_all_whom_the_umask_lets_read_them() {
    for (umask, mode) in [("022", 0o644), ("077", 0o600)] {
        let dir = tempfile::TempDir::new().expect("a directory");
        let shell = format!("umask {umask}; exec \"$0\" man .");
        let command = statekeep(&[]);
        let made = std::process::Command::new("sh")
            .args(["-c", &shell])
            .arg(command.get_program())
            .current_dir(dir.path())
            .status();
        assert!(made.expect("it runs").success());
        let page = std::fs::metadata(dir.path().join("statekeep-run.1")).expect("a page");
        let found = std::os::unix::fs::PermissionsExt::mode(&page.permissions());
        assert_eq!(found & 0o777, mode, "umask {umask}");
    }
}
