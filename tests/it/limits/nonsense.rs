//! Limits that make no sense: the server does not start, says which flag it is about and what it
//! may be, and makes nothing on the disk.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::bad_input::start::ended;
use crate::harness::{Setup, statekeep};

const WHOLE: &[&str] = &["many", "", "-1", "1.5", "0x10", "99999999999999999999999"];
const SIZES: &[&str] = &["many", "", "-1", "1XiB", "1 2", "infinity"];
const TIMES: &[&str] = &["soon", "", "-1s", "1", "1x", "1s1"];

/// Each flag: what it may be as the message says it, values beyond that, and values that are none
/// at all.
const FLAGS: [(&str, &str, &[&str], &[&str]); 17] = [
    (
        "--max-state-size",
        "from 1024 B to 900 MiB",
        &[
            "0",
            "10",
            "1023",
            "943718401",
            "901MiB",
            "100TiB",
            "18446744073709551615",
        ],
        SIZES,
    ),
    (
        "--max-nesting",
        "from 1000 to 10000",
        &["0", "999", "10001"],
        WHOLE,
    ),
    (
        "--max-in-flight",
        "at least twice --max-state-size",
        &["0", "1MiB"],
        SIZES,
    ),
    (
        "--max-in-flight",
        "the memory that there is",
        &["100TiB"],
        SIZES,
    ),
    (
        "--cache-size",
        "at most half of --max-in-flight",
        &["100TiB", "18446744073709551615"],
        SIZES,
    ),
    (
        "--min-free-space",
        "to 1073741824 MiB",
        &["1025TiB", "18446744073709551615"],
        SIZES,
    ),
    ("--max-queue", "from 1 to 1000000", &["0", "1000001"], WHOLE),
    ("--max-argon2", "from 1 to 64", &["0", "65"], WHOLE),
    (
        "--max-failures",
        "from 1 to 1000000",
        &["0", "1000001"],
        WHOLE,
    ),
    (
        "--max-connections",
        "from 8 to 100000",
        &["0", "7", "100001"],
        WHOLE,
    ),
    ("--max-page", "from 1 to 10000", &["0", "10001"], WHOLE),
    (
        "--header-timeout",
        "from 1s to 1h",
        &["0s", "999ms", "61m"],
        TIMES,
    ),
    (
        "--body-timeout",
        "from 1s to 1h",
        &["0s", "999ms", "61m"],
        TIMES,
    ),
    (
        "--idle-timeout",
        "from 1s to 1h",
        &["0s", "999ms", "61m"],
        TIMES,
    ),
    (
        "--token-lifetime",
        "from 1s to 12h",
        &["0s", "999ms", "13h"],
        TIMES,
    ),
    (
        "--lasting-event-retention",
        "from 1m to",
        &["0s", "59s", "101y"],
        TIMES,
    ),
    (
        "--max-lasting-events",
        "from 1000 to 1000000000",
        &["0", "999", "1000000001"],
        WHOLE,
    ),
];

/// Runs a server that has to refuse its settings, and gives back what it says.
#[track_caller]
fn refusal(command: Command, dir: &Path, what: &str) -> String {
    let output = ended(command);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{what}: {message}");
    assert_eq!(
        std::fs::read_dir(dir).expect("a directory").count(),
        0,
        "{what}: something was made"
    );
    message
}

fn serve(dir: &Path) -> Command {
    statekeep(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        dir.join("data").to_str().expect("UTF-8"),
    ])
}

fn with_flag(dir: &Path, flag: &str, value: &str) -> Command {
    let mut command = serve(dir);
    command.arg(format!("{flag}={value}"));
    command
}

fn variable(flag: &str) -> String {
    format!(
        "STATEKEEP_{}",
        flag.trim_start_matches('-')
            .to_uppercase()
            .replace('-', "_")
    )
}

#[test]
fn a_value_out_of_its_range_is_refused_with_its_flag_and_its_range() {
    let dir = TempDir::new().expect("a directory");
    let more = [
        (
            "--event-retention",
            "from 1m to",
            &["0s", "59s", "101y"] as &[&str],
            TIMES,
        ),
        (
            "--max-events",
            "from 1000 to 1000000000",
            &["0", "999", "1000000001"],
            &[],
        ),
        ("--prune-every", "from 1s to", &["0s", "999ms", "2y"], TIMES),
        (
            "--erase-at",
            "from 00:00 to 23:59",
            &["24:00", "12:60"],
            &["soon", "", "2:30", "-1:00"],
        ),
        (
            "--max-clock-jump",
            "from 1h to",
            &["0s", "59m", "101y"],
            TIMES,
        ),
        ("--keep-last", "from 1 to 1000000", &["0", "1000001"], &[]),
        ("--keep-daily", "from 1 to 1000000", &["0", "1000001"], &[]),
        ("--keep-weekly", "from 1 to 1000000", &["0", "1000001"], &[]),
        (
            "--keep-within",
            "from 1s to 100 years",
            &["0s", "101y"],
            TIMES,
        ),
        (
            "--keep-rejected",
            "from 1s to 100 years",
            &["0s", "101y"],
            TIMES,
        ),
        (
            "--drop-intermediate",
            "from 0s to 100 years",
            &["101y"],
            TIMES,
        ),
    ];
    for (flag, range, beyond, _) in FLAGS.iter().chain(&more) {
        for value in *beyond {
            let message = refusal(
                with_flag(dir.path(), flag, value),
                dir.path(),
                &format!("{flag}={value}"),
            );
            assert!(
                message.contains(flag) && message.contains(range),
                "{flag}={value}: {message}"
            );
        }
        let mut command = serve(dir.path());
        command.env(variable(flag), beyond[0]);
        let message = refusal(command, dir.path(), &variable(flag));
        assert!(
            message.contains(flag) && message.contains(range),
            "{}: {message}",
            variable(flag)
        );
    }
}

#[test]
fn a_value_that_is_none_is_refused_with_its_flag() {
    let dir = TempDir::new().expect("a directory");
    for (flag, _, _, none) in FLAGS {
        for value in none {
            let message = refusal(
                with_flag(dir.path(), flag, value),
                dir.path(),
                &format!("{flag}={value}"),
            );
            assert!(message.contains(flag), "{flag}={value}: {message}");
        }
        let mut command = serve(dir.path());
        command.env(variable(flag), none[0]);
        let message = refusal(command, dir.path(), &variable(flag));
        assert!(message.contains(flag), "{}: {message}", variable(flag));
    }
}

#[test]
fn metrics_without_a_key_are_for_this_machine_alone() {
    let dir = TempDir::new().expect("a directory");
    for value in ["0.0.0.0:9680", "[::]:9680", "192.0.2.1:9680", "9680x"] {
        let command = with_flag(dir.path(), "--metrics-listen", value);
        let message = refusal(command, dir.path(), value);
        assert!(message.contains("--metrics-listen"), "{value}: {message}");
    }
}

#[test]
fn the_ends_of_each_range_are_taken() {
    let ends = |lowest: bool| {
        let pick = |low: &'static str, high: &'static str| if lowest { low } else { high };
        Setup::new()
            .flag("--max-state-size", pick("1KiB", "900MiB"))
            .flag("--max-in-flight", pick("2KiB", "1800MiB"))
            .flag("--cache-size", pick("0", "900MiB"))
            .flag("--max-nesting", pick("1000", "10000"))
            .flag("--min-free-space", pick("0", "1024TiB"))
            .flag("--max-queue", pick("1", "1000000"))
            .flag("--max-argon2", pick("1", "64"))
            .flag("--max-failures", pick("1", "1000000"))
            .flag("--max-connections", pick("8", "100000"))
            .flag("--max-page", pick("1", "10000"))
            .flag("--header-timeout", pick("1s", "1h"))
            .flag("--body-timeout", pick("1s", "1h"))
            .flag("--idle-timeout", pick("1s", "1h"))
            .flag("--token-lifetime", pick("1s", "12h"))
            .flag("--event-retention", pick("1m", "99y"))
            .flag("--lasting-event-retention", pick("1m", "99y"))
            .flag("--max-events", pick("1000", "1000000000"))
            .flag("--max-lasting-events", pick("1000", "1000000000"))
            .flag("--prune-every", pick("1s", "366d"))
            .flag("--erase-at", pick("00:00", "23:59"))
            .flag("--max-clock-jump", pick("1h", "99y"))
            .flag("--keep-last", pick("1", "1000000"))
            .flag("--keep-daily", pick("1", "1000000"))
            .flag("--keep-weekly", pick("1", "1000000"))
            .flag("--keep-within", pick("1s", "99y"))
            .flag("--keep-rejected", pick("1s", "99y"))
            .flag("--drop-intermediate", pick("0s", "99y"))
    };
    for lowest in [true, false] {
        let server = ends(lowest).start();
        server.anonymous().get("/readyz").expect_status(200);
        server
            .admin()
            .get("/api/terraform/state?limit=1")
            .expect_status(200);
    }
}
