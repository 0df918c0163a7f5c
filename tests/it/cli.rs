//! The command line: every command of `docs/cli.md`, beside a running server and without one.

mod actors;
mod asking;
mod careful;
mod completing;
mod configure;
mod consumers;
mod daily;
mod detect;
mod diff;
mod dry_runs;
mod export;
mod find;
mod import;
mod in_the_way;
mod inventory;
mod keys;
mod logins;
mod missing;
mod not_made;
mod own_words;
mod pipes;
mod purge;
mod remote;
mod resources;
mod retention;
mod rollback;
mod run;
mod self_signed;
mod states;
mod strange_answers;
mod streams;
mod told;
mod tricks;
mod trust;
mod usage;
mod verify;
mod volume;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, statekeep, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// A data directory in which commands run: beside a server, or on the directory itself.
struct Place {
    _dir: TempDir,
    data: PathBuf,
    server: Option<Server>,
}

impl Place {
    /// Runs a test in both ways, in directories that `prepare` has filled.
    fn both(prepare: impl Fn(&Client), test: impl Fn(&Self)) {
        for beside in [true, false] {
            let dir = TempDir::new().expect("a directory");
            let data = dir.path().join("data");
            let server = Setup::new().data(&data).start();
            prepare(&server.admin());
            let server = if beside {
                Some(server)
            } else {
                assert!(server.stop().success());
                None
            };
            test(&Self {
                _dir: dir,
                data,
                server,
            });
        }
    }

    /// Looks at the directory through a server, whether one runs or not.
    fn look<T>(&self, see: impl FnOnce(&Client) -> T) -> T {
        match &self.server {
            Some(server) => see(&server.admin()),
            None => see(&Setup::new().data(&self.data).start().admin()),
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&self.data, args)
    }

    /// A command that must succeed: what it prints.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            stderr(&output)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The same with `--format json`.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(&[args, &["--format", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// A command that must fail with 1, nothing on stdout, and a message that says `word`.
    #[track_caller]
    fn fails(&self, args: &[&str], word: &str) {
        let output = self.run(args);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(output.stdout.is_empty(), "{args:?}: messages go to stderr");
        assert!(
            stderr(&output).contains(word),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

fn run(data: &Path, args: &[&str]) -> Output {
    statekeep(args)
        .env("STATEKEEP_DATA", data)
        .output()
        .expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The address of something that answers each request by its head, or hangs up.
pub(crate) fn stub(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 4096];
            let read = std::io::Read::read(&mut stream, &mut head).unwrap_or(0);
            let _ = std::io::Write::write_all(
                &mut stream,
                answer(&String::from_utf8_lossy(&head[..read])).as_bytes(),
            );
        }
    });
    url
}

/// Some states for commands to work on: `team/net` with three versions, `team/two` with one,
/// `rival/net` with one.
fn some_states(admin: &Client) {
    for serial in 1..=3 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    admin
        .write("team/two", tfstate(L1, 1), None)
        .expect_status(200);
    admin
        .write("rival/net", tfstate(L1, 1), None)
        .expect_status(200);
}
