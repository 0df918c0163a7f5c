//! What cannot be undone asks: at a terminal a person, elsewhere it wants `--yes`.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use crate::harness::{Client, tfstate, tfstate_noted};
use crate::skip;

use super::{L1, Place, stderr};

/// Runs a command at a terminal of its own, which shows what both of its outputs say.
const TERMINAL: &str = r"
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    size = struct.pack('HHHH', 50, int(sys.argv[1]), 0, 0)
    fcntl.ioctl(1, termios.TIOCSWINSZ, size)
    os.execvp(sys.argv[2], sys.argv[2:])
os.write(terminal, sys.stdin.buffer.read())
while True:
    try:
        seen = os.read(terminal, 65536)
    except OSError:
        break
    if not seen:
        break
    os.write(1, seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

fn typed(place: &Place, args: &[&str], answer: &str) -> Option<Output> {
    at_terminal(place, args, answer, 200)
}

/// The same at a terminal that is so many columns wide.
pub(super) fn at_terminal(
    place: &Place,
    args: &[&str],
    answer: &str,
    columns: u16,
) -> Option<Output> {
    let python = skip::program("python3", "STATEKEEP_PYTHON")?;
    let command = crate::harness::statekeep(args);
    let mut terminal = Command::new(python);
    terminal
        .args(["-c", TERMINAL, &columns.to_string()])
        .arg(command.get_program())
        .args(command.get_args())
        .env("STATEKEEP_DATA", &place.data);
    for (name, _) in command.get_envs() {
        if name != "STATEKEEP_DATA" {
            terminal.env_remove(name);
        }
    }
    let mut terminal = terminal
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    terminal
        .stdin
        .take()
        .expect("piped")
        .write_all(answer.as_bytes())
        .expect("typed");
    Some(terminal.wait_with_output().expect("it ends"))
}

fn prepared(admin: &Client) {
    for serial in 1..=3 {
        admin
            .write("team/net", tfstate_noted(L1, serial, "of its own"), None)
            .expect_status(200);
    }
    admin
        .write("team/two", tfstate(L1, 1), None)
        .expect_status(200);
    admin.lock("team/two", "lock-1").expect_status(200);
    admin
        .post_json(
            "/api/keys",
            &serde_json::json!({"name": "ci", "workspace": "team", "role": "writer"}),
        )
        .expect_status(201);
}

/// Each act that cannot be undone, what it shows first, and a look that tells whether it was done.
const ACTS: [(&[&str], &[&str], &[&str]); 5] = [
    (
        &["state", "purge", "team/net", "1"],
        &["version 1", "serial 1"],
        &["state", "pull", "team/net", "--version", "1"],
    ),
    (
        &["prune", "--keep-last", "1"],
        &["team/net", "1 version of 1 state"],
        &["state", "pull", "team/net", "--version", "2"],
    ),
    (
        &["state", "delete", "team/net"],
        &["team/net", "version 3"],
        &["state", "pull", "team/net"],
    ),
    (
        &["state", "unlock", "team/two"],
        &["lock-1", "someone@somewhere", "since"],
        &["state", "unlock", "team/two", "--id", "another"],
    ),
    (
        &["key", "revoke", "ci"],
        &["ci", "team", "TFSTATE_SAVE"],
        &["key", "show", "ci"],
    ),
];

fn look(place: &Place, args: &[&str]) -> (Option<i32>, Vec<u8>) {
    let output = place.run(args);
    (output.status.code(), output.stdout)
}

#[test]
fn without_a_terminal_it_shows_what_it_would_hit_and_wants_yes() {
    Place::both(prepared, |place| {
        for (act, shown, seen) in ACTS {
            let before = look(place, seen);
            let output = place.run(act);
            assert_eq!(
                (output.status.code(), output.stdout.is_empty()),
                (Some(2), true),
                "{act:?}: {}",
                stderr(&output)
            );
            for word in shown.iter().chain(&["--yes"]) {
                assert!(
                    stderr(&output).contains(word),
                    "{act:?}: {word}: {}",
                    stderr(&output)
                );
            }
            assert_eq!(look(place, seen), before, "{act:?}: nothing was done");
            place.ok(&[act, &["--yes"]].concat());
            assert_ne!(look(place, seen), before, "{act:?}: it was done");
        }
    });
}

#[test]
fn at_a_terminal_only_a_yes_is_one() {
    Place::both(prepared, |place| {
        let answers = [("n\n", 1), ("\n", 1), ("y\n", 0)];
        for ((act, shown, seen), (answer, code)) in ACTS
            .iter()
            .flat_map(|act| answers.map(|answer| (act, answer)))
        {
            let before = look(place, seen);
            let Some(output) = typed(place, act, answer) else {
                return;
            };
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(
                output.status.code(),
                Some(code),
                "{act:?} {answer:?}: {said}"
            );
            assert!(
                said.contains("[y/N]") && shown.iter().all(|word| said.contains(word)),
                "{act:?}: {said}"
            );
            assert_eq!(said.contains("nothing was done"), code != 0, "{said}");
            assert_eq!(look(place, seen) == before, code != 0, "{act:?} {answer:?}");
        }
    });
}

#[test]
fn what_needs_no_question_asks_none() {
    Place::both(prepared, |place| {
        place.ok(&["state", "unlock", "team/two", "--id", "lock-1"]);
        place.ok(&["state", "unlock", "team/net"]);
        place.ok(&["prune", "--keep-last", "1", "--dry-run"]);
        place.ok(&["key", "revoke", "ci", "--yes"]);
        place.ok(&["key", "revoke", "ci"]);
    });
}

#[test]
fn a_locked_state_is_not_asked_about_but_says_how_it_is_released() {
    let prepare = |admin: &Client| {
        admin
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200);
        admin
            .write("team/net", tfstate(L1, 2), None)
            .expect_status(200);
        admin.lock("team/net", "it's mine").expect_status(200);
    };
    Place::both(prepare, |place| {
        for act in [
            &["state", "delete", "team/net"][..],
            &["state", "move", "team/net", "team/x"],
            &["state", "rollback", "team/net", "1", "--yes"],
        ] {
            place.fails(act, r#"statekeep state unlock team/net --id "it's mine""#);
            place.fails(act, "locked by");
        }
    });
}
