//! A state that moves along with its sources: to the `local` backend and to a second statekeep, and
//! back.

mod copies;
mod faulty;
mod interrupted;
mod inward;
mod old;
mod sealed;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::module::{Backend, Module, isolate, resources};
use super::run::{Run, Running};
use super::{Program, STATE, for_each_program};
use crate::harness::{Client, Server, state_path, statekeep};
use crate::samples::{lock_body, tfstate};

for_each_program![
    a_state_moves_along_to_a_local_file,
    a_state_moves_along_to_another_statekeep_and_back,
    another_state_there_stops_everything,
    what_an_earlier_try_pushed_is_finished,
    a_push_that_fails_leaves_the_state_here,
    without_a_command_transfer_does_the_same,
    a_plain_token_may_not_be_enough,
    a_state_in_use_does_not_move,
    an_old_checkout_is_told_where_the_state_went,
    an_address_of_another_state_on_the_server_is_refused,
];

/// A module that ran on a server, and the key that it ran with.
struct Site<'a> {
    server: Server,
    key: Client,
    module: Module<'a>,
}

const LOCAL: &str =
    "terraform {\n  backend \"local\" {\n    path = \"kept/here.tfstate\"\n  }\n}\n";

impl<'a> Site<'a> {
    fn new(program: &'a Program) -> Self {
        let server = Server::start();
        let key = server.key("team", "writer");
        let module = Module::local(program, &key);
        Self {
            server,
            key,
            module,
        }
    }

    /// Its resources are made, and kept on the server.
    #[track_caller]
    fn applied(program: &'a Program, names: &[&str]) -> Self {
        let mut site = Self::new(program);
        site.module = site.module.write("main.tf", &resources(names));
        site.run(&["apply", "-input=false", "-auto-approve"]).ok();
        site
    }

    fn write(mut self, file: &str, text: &str) -> Self {
        self.module = self.module.write(file, text);
        self
    }

    fn start(&self, flags: &[&str], words: &[&str]) -> Running {
        Running::spawn(self.command(flags, words))
    }

    fn command(&self, flags: &[&str], words: &[&str]) -> Command {
        let key_file = self.module.dir().join("key");
        std::fs::write(&key_file, self.key.secret()).expect("a key file");
        let (workspace, block) = STATE.split_once('/').expect("two names");
        let mut command = statekeep(&[
            flags[0],
            "--workspace",
            workspace,
            "--building-block",
            block,
            "--url",
            self.server.url(),
        ]);
        isolate(&mut command, self.module.dir());
        command.arg("--key-file").arg(&key_file).args(&flags[1..]);
        if flags == ["run"] {
            // These tests are about how a state moves; `moves` is about when.
            command.arg("--transfer=now");
        }
        if !words.is_empty() {
            command.arg("--").args(words);
        }
        command
    }

    /// The program by way of `run`.
    #[track_caller]
    fn run(&self, words: &[&str]) -> Run {
        self.start(&["run"], &[&[self.module.program()], words].concat())
            .wait()
    }

    /// The same where the client has credentials of its own, for another server.
    #[track_caller]
    fn run_as(&self, key: &Client, variables: &[(&str, &str)], words: &[&str]) -> Run {
        let mut command = self.command(&["run"], &[&[self.module.program()], words].concat());
        command
            .env("TF_HTTP_USERNAME", "x")
            .env("TF_HTTP_PASSWORD", key.secret())
            .envs(variables.iter().copied());
        Running::spawn(command).wait()
    }

    /// A plan by another program with such credentials.
    #[track_caller]
    fn run_as_by(&self, key: &Client, program: &str) -> Run {
        let mut command = self.command(&["run"], &[program, "plan", "-input=false"]);
        command
            .env("TF_HTTP_USERNAME", "x")
            .env("TF_HTTP_PASSWORD", key.secret());
        Running::spawn(command).wait()
    }

    /// A script that stands for the program, and does something before and after one of its calls:
    /// the nth of a kind.
    fn wrapper(&self, call: &str, nth: u32, before: &str, after: &str) -> String {
        let real = self.module.program();
        let name = if self.module.is_tofu() {
            "tofu.sh"
        } else {
            "terraform.sh"
        };
        let script = format!(
            "#!/bin/sh\nrm -f ended\nmeant=no\n\
             case \"$*\" in '{call}'*) echo >> calls; [ $(wc -l < calls) = {nth} ] && meant=yes ;; \
             esac\n\
             if [ $meant = yes ]; then :; {before}\nfi\n\
             {real} \"$@\"\ncode=$?\ntouch ended\n\
             if [ $meant = yes ]; then :; {after}\nfi\nexit $code\n"
        );
        let path = self.module.dir().join(name);
        std::fs::write(&path, script).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("executable");
        let _ = std::fs::remove_file(self.module.dir().join("calls"));
        path.to_str().expect("UTF-8").to_owned()
    }

    /// A plan by another program.
    #[track_caller]
    fn run_by(&self, program: &str) -> Run {
        self.start(&["run"], &[program, "plan", "-input=false"])
            .wait()
    }

    fn expect_gone(&self) {
        let admin = self.server.admin();
        let bodies = [
            ("GET", String::new()),
            ("POST", tfstate("late", 9)),
            ("LOCK", lock_body("x")),
            ("UNLOCK", lock_body("x")),
            ("DELETE", String::new()),
        ];
        for (method, body) in bodies {
            admin
                .send(method, &state_path(STATE), body)
                .expect_problem(410, "transferred");
        }
        admin
            .get(&format!("{}/versions", state_path(STATE)))
            .expect_status(200);
    }

    fn expect_here(&self) -> Value {
        self.server.admin().expect_unlocked(STATE);
        self.server.admin().read(STATE).expect_status(200).json()
    }

    /// Nothing of a move is left in the module.
    fn expect_tidy(&self) {
        for file in [
            "statekeep_transfer_override.tf",
            "statekeep_backend.tf",
            ".terraform/statekeep-transfer",
        ] {
            assert!(!self.module.has(file), "{file} was left behind");
        }
    }
}

fn names(state: &Value) -> Vec<&str> {
    state["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|resource| resource["name"].as_str().expect("a name"))
        .collect()
}

fn a_state_moves_along_to_a_local_file(program: &Program) {
    let site = Site::applied(program, &["a", "b"]);
    let before = site.expect_here();
    let site = site.write("backend.tf", LOCAL);
    site.run(&["plan", "-input=false"])
        .ok()
        .says("No changes.")
        .says("configures `backend \"local\"`");

    site.expect_gone();
    site.expect_tidy();
    let there = site.module.json_file("kept/here.tfstate");
    assert_eq!(
        (&there["lineage"], names(&there)),
        (&before["lineage"], names(&before))
    );
    let events = site.server.admin().events("kind=transfer.*");
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| event["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(kinds, ["transfer.finish", "transfer.begin"], "{events:?}");
    // From now on the command runs as it is.
    site.run(&["apply", "-input=false", "-auto-approve"]).ok();
    site.module.plan().ok().says("No changes.");
}

fn a_state_moves_along_to_another_statekeep_and_back(program: &Program) {
    let site = Site::applied(program, &["a"]);
    let other = Server::start();
    let key = other.key("team", "writer");
    let backend = Backend::locking(&other.state(STATE));
    let site = Site {
        module: site.module.backend(&backend).with_key(&key),
        ..site
    };
    let run = |words: &[&str]| site.run_as(&key, &[], words);

    run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_gone();
    assert_eq!(
        names(&other.admin().read(STATE).expect_status(200).json()),
        ["a"]
    );
    other.admin().expect_unlocked(STATE);
    let lock = other.admin().versions(STATE)[0]["lock"].clone();
    assert!(lock.is_object(), "it was stored under a lock: {lock}");

    // The block is removed again.
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    // These are for the other one; ours would take a lock for a state by the first.
    let methods = [
        ("TF_HTTP_LOCK_METHOD", "POST"),
        ("TF_HTTP_UPDATE_METHOD", "PUT"),
        ("TF_HTTP_ADDRESS", "http://127.0.0.1:1/"),
    ];
    site.run_as(&key, &methods, &["plan", "-input=false"])
        .ok()
        .says("No changes.")
        .says("has moved from http address=");
    assert_eq!(names(&site.expect_here()), ["a"]);
    other.admin().read(STATE).expect_problem(410, "transferred");
    site.expect_tidy();
    run(&["apply", "-input=false", "-auto-approve"]).ok();
}

fn another_state_there_stops_everything(program: &Program) {
    let site = Site::applied(program, &["a"]);
    let before = site.expect_here();
    let site = site.write("backend.tf", LOCAL);
    std::fs::create_dir(site.module.dir().join("kept")).expect("a folder");
    let theirs = json!({
        "version": 4, "terraform_version": "1.0.0", "serial": 1, "lineage": "other",
        "outputs": { "x": { "value": 1, "type": "number" } }, "resources": []
    });
    let site = site.write("kept/here.tfstate", &theirs.to_string());

    let run = site.run(&["apply", "-input=false", "-auto-approve"]);
    run.fails()
        .says("holds another state")
        .says("output x (added)")
        .says("--transfer=never")
        .says("was not run");
    assert_eq!(site.expect_here(), before);
    assert_eq!(site.module.json_file("kept/here.tfstate"), theirs);

    site.start(
        &["run", "--transfer=never"],
        &[site.module.program(), "output", "x"],
    )
    .wait()
    .ok()
    .says("1");
    assert_eq!(site.expect_here(), before);
}

/// As after a kill between the push and its end: the intent is there, the state is in both places.
fn what_an_earlier_try_pushed_is_finished(program: &Program) {
    let site = Site::applied(program, &["a"]).write("backend.tf", LOCAL);
    let state = site.server.admin().read(STATE).expect_status(200).text();
    std::fs::create_dir(site.module.dir().join("kept")).expect("a folder");
    let site = site.write("kept/here.tfstate", &state);
    let place = format!(
        "local path={}",
        site.module
            .dir()
            .canonicalize()
            .expect("there")
            .join("kept/here.tfstate")
            .display()
    );
    site.key
        .post_json(
            &format!("{}/transfer", state_path(STATE)),
            &json!({ "to": place }),
        )
        .expect_status(200);

    site.run(&["plan", "-input=false"])
        .ok()
        .says("holds this state already")
        .says("No changes.");
    site.expect_gone();
}

fn a_push_that_fails_leaves_the_state_here(program: &Program) {
    let site = Site::applied(program, &["a"])
        .write("backend.tf", LOCAL)
        .write("kept", "a file where a folder should be");
    site.run(&["plan", "-input=false"])
        .fails()
        .says("The command was not run");
    assert_eq!(names(&site.expect_here()), ["a"]);
    std::fs::remove_file(site.module.dir().join("kept")).expect("the file");
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_gone();
}

fn without_a_command_transfer_does_the_same(program: &Program) {
    let site = Site::applied(program, &["a"]);
    let transfer = || site.start(&["transfer"], &[site.module.program()]).wait();
    transfer().ok().says("nothing to move");
    std::fs::write(site.module.dir().join("backend.tf"), LOCAL).expect("a block");
    transfer().ok().says("team/app: moved");
    site.expect_gone();
    transfer().ok().says("nothing to move");
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    transfer().ok().says("team/app: here");
    assert_eq!(names(&site.expect_here()), ["a"]);

    let place = json!({ "to": "somewhere" });
    site.key
        .post_json(&format!("{}/transfer", state_path(STATE)), &place)
        .expect_status(200);
    site.start(&["transfer", "--abandon"], &[])
        .wait()
        .ok()
        .says("abandoned");
    site.expect_here();
    site.start(&["transfer", "--finish"], &[])
        .wait()
        .fails()
        .says("no transfer of team/app was begun");
    site.key
        .post_json(&format!("{}/transfer", state_path(STATE)), &place)
        .expect_status(200);
    site.start(&["transfer", "--finish"], &[])
        .wait()
        .ok()
        .says("moved");
    site.expect_gone();
}

fn a_plain_token_may_not_be_enough(program: &Program) {
    let site = Site::applied(program, &["a"]).write("backend.tf", LOCAL);
    let site = Site {
        key: site.server.key("team", "planner"),
        ..site
    };
    site.run(&["plan", "-input=false"])
        .fails()
        .says("Nothing was moved")
        .says("was not run");
    assert_eq!(names(&site.expect_here()), ["a"]);
    assert!(!site.module.has("kept/here.tfstate"));
}

fn a_state_in_use_does_not_move(program: &Program) {
    let site = Site::applied(program, &["a"]).write("backend.tf", LOCAL);
    let other = site.server.key("team", "writer");
    other.lock(STATE, "theirs").expect_status(200);
    site.run(&["plan", "-input=false"])
        .fails()
        .says("is locked by someone@somewhere")
        .says("Nothing was moved");
    assert!(!site.module.has("kept/here.tfstate"));
    other.unlock(STATE, "theirs").expect_status(200);
    site.run(&["plan", "-input=false"]).ok();
    site.expect_gone();
}

fn an_old_checkout_is_told_where_the_state_went(program: &Program) {
    let site = Site::applied(program, &["a"]).write("backend.tf", LOCAL);
    site.run(&["plan", "-input=false"]).ok();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    std::fs::remove_dir_all(site.module.dir().join(".terraform")).expect("what is recorded");
    site.run(&["apply", "-input=false", "-auto-approve"])
        .fails()
        .says("team/app has left for local path=")
        .says("was not run");
    site.expect_gone();
    site.expect_tidy();
}

fn an_address_of_another_state_on_the_server_is_refused(program: &Program) {
    let site = Site::applied(program, &["a"]);
    let backend = Backend::locking(&site.server.state("team/other"));
    let key = site.server.key("team", "writer");
    let site = Site {
        module: site.module.backend(&backend),
        ..site
    };
    site.run_as(&key, &[], &["plan", "-input=false"])
        .fails()
        .says("statekeep state move team/app");
    site.expect_here();
    site.server
        .admin()
        .read("team/other")
        .expect_problem(404, "no_state");
}
