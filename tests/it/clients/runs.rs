//! `statekeep run` around the real programs: what they do with the file and the token, and what
//! becomes of an apply that is interrupted.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::module::{Gate, Module, gated_resource, isolate, resources};
use super::run::{Run, Running};
use super::{Program, STATE, for_either_program};
use crate::harness::{
    Client, Server, Setup, children, eventually, kill, statekeep, with_usual_signals,
};

for_either_program![
    plan_apply_output_and_destroy,
    where_the_module_and_its_data_lie,
    an_apply_outlives_its_token,
    an_interrupted_apply_keeps_what_it_made,
    a_killed_run_is_followed_by_another,
    a_lock_that_a_killed_command_left_is_told,
    a_server_that_restarts_costs_nothing,
    two_states_from_one_folder,
];

const FILE: &str = "statekeep_backend.tf";

/// A module without a backend, and a key for `statekeep run`.
struct Site<'a> {
    server: Server,
    key: Client,
    module: Module<'a>,
    program: PathBuf,
}

impl<'a> Site<'a> {
    fn new(program: &'a Program, setup: Setup) -> Self {
        let server = setup.start();
        let key = server.key("team", "writer");
        let module = Module::local(program, &key)
            .write("main.tf", &resources(&["a"]))
            .write("key", key.secret());
        Self {
            server,
            key,
            module,
            program: program.path.clone(),
        }
    }

    /// `statekeep run … -- terraform WORDS`, in the module or a folder above it.
    fn command(&self, dir: &Path, state: &str, words: &[&str]) -> Command {
        let (workspace, block) = state.split_once('/').expect("two names");
        let mut command = statekeep(&[
            "run",
            "--workspace",
            workspace,
            "--building-block",
            block,
            "--url",
            self.server.url(),
        ]);
        isolate(&mut command, dir);
        command
            .arg("--key-file")
            .arg(self.module.dir().join("key"))
            .arg("--")
            .arg(&self.program)
            .args(words);
        command
    }

    fn start(&self, words: &[&str]) -> Running {
        Running::spawn(with_usual_signals(&self.command(
            self.module.dir(),
            STATE,
            words,
        )))
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> Run {
        let run = self.start(words).wait();
        assert!(!self.module.has(FILE), "the file is left: {run}");
        run
    }

    #[track_caller]
    fn apply(&self) -> Run {
        self.run(&["apply", "-input=false", "-auto-approve"]).ok()
    }

    fn start_apply(&self) -> Running {
        self.start(&["apply", "-input=false", "-auto-approve"])
    }

    /// No lock, no token and no file is left.
    #[track_caller]
    fn expect_nothing_left(&self) {
        let admin = self.server.admin();
        admin.expect_unlocked(STATE);
        assert!(!self.module.has(FILE));
        assert_eq!(
            admin.events("kind=login").len(),
            admin.events("kind=token.end").len()
        );
    }
}

fn plan_apply_output_and_destroy(program: &Program) {
    let site = Site::new(program, Setup::new());
    site.module.add(
        "outputs.tf",
        "output \"said\" {\n  value = terraform_data.a.output\n}\n",
    );
    site.run(&["plan", "-input=false", "-out=plan"])
        .ok()
        .says("1 to add");
    site.run(&["apply", "-input=false", "plan"])
        .ok()
        .says("1 added");
    let output = site.run(&["output", "-json"]).ok();
    assert_eq!(
        output.json()["said"]["value"],
        json!("made by a"),
        "nothing else is on stdout"
    );
    site.run(&["plan", "-input=false", "-detailed-exitcode"])
        .ok()
        .says("No changes");
    let versions = site.server.admin().versions(STATE);
    assert!(
        versions.len() == 1 && versions[0]["lock"].is_object(),
        "{versions:?}"
    );
    assert_eq!(
        versions[0]["created_by"]["id"],
        site.key.key_id.as_str(),
        "as the key that the token was made from"
    );
    let plan = std::fs::read(site.module.dir().join("plan")).expect("a plan");
    assert!(
        !plan
            .windows(4)
            .any(|word| word == b"skt_" || word == b"skp_"),
        "nothing secret is in a plan"
    );
    site.run(&["destroy", "-input=false", "-auto-approve"])
        .ok()
        .says("1 destroyed");
    assert!(
        !site.module.has("terraform.tfstate"),
        "nothing is kept beside it"
    );
    site.expect_nothing_left();
}

fn where_the_module_and_its_data_lie(program: &Program) {
    let site = Site::new(program, Setup::new());
    let above = tempfile::TempDir::new().expect("a directory");
    std::os::unix::fs::symlink(site.module.dir(), above.path().join("live")).expect("a link");
    let run = |words: &[&str]| {
        let mut command = site.command(above.path(), STATE, &[&["-chdir=live"], words].concat());
        command
            .env("TF_DATA_DIR", above.path().join("data"))
            .env("TF_CLI_ARGS_apply", "-input=false -auto-approve");
        Running::spawn(command).wait().ok()
    };
    run(&["apply"]).says("1 added").never_says("initialized");
    run(&["apply"]).says("No changes");
    assert!(above.path().join("data/terraform.tfstate").exists() && !site.module.has(".terraform"));
    assert!(!above.path().join(FILE).exists());
    site.expect_nothing_left();
}

fn an_apply_outlives_its_token(program: &Program) {
    let site = Site::new(program, Setup::new().flag("--token-lifetime", "2s"));
    site.module.add("slow.tf", &gated_resource("slow"));
    let gate = Gate::close(&site.module, "slow");
    let mut apply = site.start_apply();
    gate.wait_for(&mut apply);
    let admin = site.server.admin();
    apply.wait_until("its token was extended beyond its first life", || {
        admin.events("kind=token.extend").len() > 4
    });
    gate.open();
    apply.wait().ok().says("2 added");
    assert_eq!(admin.versions(STATE).len(), 1);
    site.expect_nothing_left();
}

fn an_interrupted_apply_keeps_what_it_made(program: &Program) {
    for signal in ["INT", "TERM"] {
        let site = Site::new(program, Setup::new());
        site.module.add("slow.tf", &gated_resource("slow"));
        site.module.add(
            "late.tf",
            "resource \"terraform_data\" \"late\" {\n  input = terraform_data.slow.id\n}\n",
        );
        let gate = Gate::close(&site.module, "slow");
        let mut apply = site.start_apply();
        gate.wait_for(&mut apply);
        assert!(kill(signal, apply.pid()));
        apply.wait_for_words("Interrupt received");
        gate.open();
        let run = apply.wait().fails();
        let state: Value =
            serde_json::from_str(&site.server.admin().read(STATE).expect_status(200).text())
                .expect("JSON");
        let made: Vec<&str> = state["resources"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|made| made["name"].as_str())
            .collect();
        assert!(
            made.contains(&"a") && !made.contains(&"late"),
            "{made:?}: {run}"
        );
        site.expect_nothing_left();
        site.apply().says("added");
        site.expect_nothing_left();
    }
}

fn a_killed_run_is_followed_by_another(program: &Program) {
    let site = Site::new(program, Setup::new());
    site.module.add("slow.tf", &gated_resource("slow"));
    let gate = Gate::close(&site.module, "slow");
    let mut apply = site.start_apply();
    gate.wait_for(&mut apply);
    let left = children(apply.pid());
    apply.kill();
    assert!(site.module.has(FILE), "nobody could remove it");
    site.start(&["plan", "-input=false"])
        .wait()
        .fails()
        .says("Error acquiring the state lock");
    assert!(!site.module.has(FILE), "the next run knows it as its own");
    gate.open();
    eventually("the command that was left ends", || {
        left.iter().all(|pid| !kill("0", *pid))
    });
    site.server.admin().expect_unlocked(STATE);
    site.apply().says("No changes");
    assert_eq!(
        site.server.admin().versions(STATE).len(),
        1,
        "it saved what it made"
    );
}

fn a_lock_that_a_killed_command_left_is_told(program: &Program) {
    let site = Site::new(program, Setup::new());
    site.module.add("slow.tf", &gated_resource("slow"));
    let gate = Gate::close(&site.module, "slow");
    let mut apply = site.start_apply();
    gate.wait_for(&mut apply);
    let command = children(apply.pid());
    assert!(
        command.len() == 1 && kill("KILL", command[0]),
        "{command:?}"
    );
    let run = apply.wait();
    let lock = site
        .server
        .admin()
        .lock_evidence(STATE)
        .expect("nobody released it");
    let id = lock["lock"]["ID"].as_str().expect("an ID").to_owned();
    let run = run
        .says("team/app is still locked, it seems by this command")
        .says("OperationTypeApply");
    run.says(&format!("statekeep state unlock team/app --id {id}"));
    gate.open();
    // The run has ended its token, so the lock is dead, and the next one gets it.
    site.start(&["plan", "-input=false"]).wait().ok();
    let died = site.server.admin().events("kind=lock.died");
    assert_eq!(died[0]["lock_id"], id.as_str());
    site.apply().never_says("unlock");
}

/// The server is away from the middle of an apply until well behind its end.
fn a_server_that_restarts_costs_nothing(program: &Program) {
    let data = tempfile::TempDir::new().expect("a directory");
    let mut site = Site::new(program, Setup::new().data(data.path()));
    site.module.add("slow.tf", &gated_resource("slow"));
    let gate = Gate::close(&site.module, "slow");
    let mut apply = site.start_apply();
    gate.wait_for(&mut apply);
    let address = site.server.address().to_owned();
    site.server.signal("TERM");
    site.server.wait();
    gate.open();
    // By itself the client gives up after some three seconds.
    apply.wait_until("the resource is made", || !site.module.has("slow.closed"));
    std::thread::sleep(std::time::Duration::from_secs(8));
    let data = data.path().to_str().expect("UTF-8");
    let mut again = statekeep(&["serve", "--data", data, "--listen", &address])
        .spawn()
        .expect("it starts");
    let run = apply.wait();
    let made = site.server.admin().versions(STATE).len();
    let lock = site.server.admin().lock_evidence(STATE);
    let _ = again.kill().and_then(|()| again.wait());
    run.ok().says("2 added");
    assert!(
        made == 1 && lock.is_none() && !site.module.has("errored.tfstate"),
        "{made} {lock:?}"
    );
}

/// One folder, two building blocks: each has its own state, and nothing is moved from one to the
/// other.
fn two_states_from_one_folder(program: &Program) {
    let site = Site::new(program, Setup::new());
    let apply = |state: &str| {
        Running::spawn(site.command(
            site.module.dir(),
            state,
            &["apply", "-input=false", "-auto-approve"],
        ))
        .wait()
    };
    apply(STATE)
        .ok()
        .says("1 added")
        .says("team/app has no state yet");
    apply("team/other")
        .fails()
        .says("team/other does not exist")
        .says("the nearest is team/app");
    site.server.admin().read("team/other").expect_status(404);
    site.server
        .admin()
        .write("team/other", crate::samples::tfstate("empty", 1), None)
        .expect_status(200);
    apply("team/other").ok().says("1 added");
    let lineage = |state: &str| site.server.admin().versions(state)[0]["lineage"].clone();
    assert_ne!(lineage(STATE), lineage("team/other"));
    site.apply().says("No changes");
    site.expect_nothing_left();
}
