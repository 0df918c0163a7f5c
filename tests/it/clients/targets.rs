//! Where a wrapped command's state goes, with the real programs: nothing is destroyed by a folder
//! that is empty, nothing moves unasked or to itself, and what `init` was told is read as `init`
//! reads it.

use std::process::Command;

use super::module::{Backend, Module, isolate, resources};
use super::run::{Run, Running};
use super::{Program, STATE, for_either_program};
use crate::harness::{Server, statekeep};

for_either_program![
    an_empty_folder_destroys_nothing,
    a_destroy_that_was_asked_for_runs_in_an_empty_folder,
    this_server_by_another_name_keeps_its_state,
    a_look_moves_nothing_and_a_write_does,
    to_a_local_file_nothing_moves_unasked,
    settings_come_from_a_file,
    what_init_was_told_holds_over_a_placeholder,
    settings_of_a_block_that_is_gone_are_forgotten,
];

struct Site<'a> {
    server: Server,
    module: Module<'a>,
}

impl<'a> Site<'a> {
    fn applied(program: &'a Program) -> Self {
        let server = Server::start();
        let key = server.key("team", "writer");
        let module = Module::local(program, &key)
            .write("main.tf", &resources(&["a"]))
            .write("key", key.secret());
        let site = Self { server, module };
        site.apply().ok().says("1 added");
        site
    }

    fn write(self, file: &str, text: &str) -> Self {
        Self {
            module: self.module.write(file, text),
            ..self
        }
    }

    fn remove(&self, file: &str) {
        let path = self.module.dir().join(file);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(path)
        } else {
            std::fs::remove_file(path)
        };
        removed.expect("it was there");
    }

    fn command(&self, flags: &[&str], words: &[&str]) -> Command {
        let mut command = statekeep(&[
            "run",
            "--workspace",
            "team",
            "--building-block",
            "app",
            "--url",
            self.server.url(),
        ]);
        isolate(&mut command, self.module.dir());
        command
            .arg("--key-file")
            .arg(self.module.dir().join("key"))
            .args(flags)
            .arg("--")
            .arg(self.module.program())
            .args(words);
        command
    }

    #[track_caller]
    fn run(&self, words: &[&str]) -> Run {
        self.run_with(&[], words)
    }

    #[track_caller]
    fn run_with(&self, flags: &[&str], words: &[&str]) -> Run {
        Running::spawn(self.command(flags, words)).wait()
    }

    #[track_caller]
    fn apply(&self) -> Run {
        self.run(&["apply", "-input=false", "-auto-approve"])
    }

    /// The state is here, as it was made, and nobody has tried to take it anywhere.
    #[track_caller]
    fn expect_untouched(&self) {
        let admin = self.server.admin();
        admin.expect_unlocked(STATE);
        let state = admin.read(STATE).expect_status(200).json();
        assert_eq!(
            state["resources"].as_array().map(Vec::len),
            Some(1),
            "{state}"
        );
        assert!(admin.events("kind=transfer.*").is_empty());
    }
}

fn an_empty_folder_destroys_nothing(program: &Program) {
    let site = Site::applied(program);
    site.remove("main.tf");
    std::fs::create_dir(site.module.dir().join("live")).expect("a folder");
    let site = site
        .write("live/main.tf", &resources(&["a"]))
        .write("override.tf", "terraform {}\n");
    for words in [
        &["apply", "-input=false", "-auto-approve"][..],
        &["plan", "-input=false"],
        &["refresh"],
        &["init", "-input=false"],
    ] {
        site.run(words)
            .fails()
            .says("holds no file that")
            .says("live")
            .says("was not run");
    }
    site.expect_untouched();
    for words in [
        &["state", "list"][..],
        &["show", "-json"],
        &["output"],
        &["plan", "-input=false", "-destroy"],
    ] {
        site.run(words).ok();
    }
    site.expect_untouched();
    site.run(&["-chdir=live", "plan", "-input=false"])
        .ok()
        .says("No changes.");
}

fn a_destroy_that_was_asked_for_runs_in_an_empty_folder(program: &Program) {
    let site = Site::applied(program);
    site.remove("main.tf");
    site.run(&["apply", "-input=false", "-auto-approve", "-destroy"])
        .ok()
        .says("1 destroyed");
    assert_eq!(site.server.admin().versions(STATE).len(), 2);
}

fn this_server_by_another_name_keeps_its_state(program: &Program) {
    let site = Site::applied(program);
    let address = site
        .server
        .state(STATE)
        .replace("127.0.0.1", "localhost")
        .replace("team", "t%65am");
    let site = Site {
        module: site.module.backend(&Backend::locking(&address)),
        ..site
    };
    site.remove(".terraform");
    // `init` is the user's where the sources have a block.
    site.run(&["init", "-input=false"]).ok();
    for words in [
        &["plan", "-input=false"][..],
        &["apply", "-input=false", "-auto-approve"],
    ] {
        site.run(words).ok().says("No changes.");
        site.run_with(&["--transfer=now"], words)
            .ok()
            .says("No changes.");
    }
    site.expect_untouched();
    // The block is gone, and the other name is recorded: it is the same server on the way back as
    // well.
    site.remove("backend.tf");
    site.apply().ok().says("No changes.");
    site.expect_untouched();
    assert_eq!(site.server.admin().versions(STATE).len(), 1);
}

fn a_look_moves_nothing_and_a_write_does(program: &Program) {
    let site = Site::applied(program);
    let other = Server::start();
    let key = other.key("team", "writer");
    let site = Site {
        module: site.module.backend(&Backend::locking(&other.state(STATE))),
        ..site
    };
    let run = |words: &[&str]| {
        let mut command = site.command(&[], words);
        command
            .env("TF_HTTP_USERNAME", "x")
            .env("TF_HTTP_PASSWORD", key.secret());
        Running::spawn(command).wait()
    };
    for words in [
        &["plan", "-input=false"][..],
        &["state", "list"],
        &["output"],
        &["show"],
    ] {
        run(words)
            .fails()
            .says("--transfer=now moves it there")
            .says("was not run");
    }
    run(&["validate"]).ok();
    site.expect_untouched();
    other.admin().read(STATE).expect_status(404);
    run(&["apply", "-input=false", "-auto-approve"])
        .ok()
        .says("No changes.")
        .says("has moved to");
    site.server
        .admin()
        .read(STATE)
        .expect_problem(410, "transferred");
    other.admin().read(STATE).expect_status(200);
    // And back.
    site.remove("backend.tf");
    run(&["plan", "-input=false"])
        .fails()
        .says("holds a state that is not here yet")
        .says("was not run");
    other.admin().read(STATE).expect_status(200);
    run(&["apply", "-input=false", "-auto-approve"])
        .ok()
        .says("No changes.");
    other.admin().read(STATE).expect_problem(410, "transferred");
    site.server.admin().read(STATE).expect_status(200);
}

fn to_a_local_file_nothing_moves_unasked(program: &Program) {
    let site = Site::applied(program).write(
        "backend.tf",
        "terraform {\n  backend \"local\" {\n    path = \"here.tfstate\"\n  }\n}\n",
    );
    for words in [
        &["apply", "-input=false", "-auto-approve"][..],
        &["plan", "-input=false"],
        &["state", "rm", "terraform_data.a"],
    ] {
        site.run(words)
            .fails()
            .says("--transfer=now")
            .says("--transfer=never")
            .says("was not run");
    }
    site.expect_untouched();
    assert!(!site.module.has("here.tfstate"));
    site.run_with(&["--transfer=now"], &["plan", "-input=false"])
        .ok()
        .says("No changes.");
    assert!(site.module.has("here.tfstate"));
    site.server
        .admin()
        .read(STATE)
        .expect_problem(410, "transferred");
}

fn settings_come_from_a_file(program: &Program) {
    let site = Site::applied(program);
    let ours = site.server.state(STATE);
    let settings = format!(
        "address        = \"{ours}\"\nlock_address   = \"{ours}\"\nunlock_address = \"{ours}\"\n"
    );
    let json = format!(
        "{{\"address\": \"{ours}\", \"lock_address\": \"{ours}\", \"unlock_address\": \"{ours}\"}}"
    );
    let site = site
        .write("backend.tf", "terraform {\n  backend \"http\" {}\n}\n")
        .write("env.tfbackend", &settings)
        .write("env.json", &json);
    let site = site.write(
        "wrong.tfbackend",
        "address = \"http://127.0.0.1:9/wrong\"\n",
    );
    for files in [
        &["env.tfbackend"][..],
        &["env.json"],
        &["wrong.tfbackend", "env.tfbackend"],
        &["wrong.tfbackend", "env.json"],
    ] {
        let words: Vec<String> = files
            .iter()
            .map(|file| format!("-backend-config={file}"))
            .collect();
        let init: Vec<&str> = ["init", "-input=false"]
            .into_iter()
            .chain(words.iter().map(String::as_str))
            .collect();
        site.remove(".terraform");
        site.run(&init).ok();
        site.apply().ok().says("No changes.");
        site.remove(".terraform");
        let mut command = site.command(&[], &["init", "-input=false"]);
        command.env("TF_CLI_ARGS_init", words.join(" "));
        Running::spawn(command).wait().ok();
        site.run(&["plan", "-input=false"]).ok().says("No changes.");
    }
    site.expect_untouched();
}

fn what_init_was_told_holds_over_a_placeholder(program: &Program) {
    let site = Site::applied(program);
    let placeholder = "terraform {\n  backend \"http\" {\n    address = \
        \"http://127.0.0.1:9/placeholder\"\n  }\n}\n";
    let site = site.write("backend.tf", placeholder);
    let ours = site.server.state(STATE);
    let told = |name: &str| format!("-backend-config={name}={ours}");
    site.remove(".terraform");
    site.run(&[
        "init",
        "-input=false",
        &told("address"),
        &told("lock_address"),
        &told("unlock_address"),
    ])
    .ok();
    let recorded = site.module.json_file(".terraform/terraform.tfstate");
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.apply().ok().says("No changes.");
    site.run(&["init", "-input=false"]).ok();
    assert_eq!(
        site.module.json_file(".terraform/terraform.tfstate")["backend"],
        recorded["backend"]
    );
    site.expect_untouched();
    // A block that was changed holds, and the program says so itself.
    let site = site.write("backend.tf", &placeholder.replace("placeholder", "another"));
    site.run(&["plan", "-input=false"])
        .fails()
        .says("backend.tf:2 configures");
    site.expect_untouched();
}

/// They made a block what `run` generates, and more: without another `init` the program would
/// refuse each command.
fn settings_of_a_block_that_is_gone_are_forgotten(program: &Program) {
    let site = Site::applied(program);
    let ours = site.server.state(STATE);
    let block = format!(
        "terraform {{\n  backend \"http\" {{\n    address = \"{ours}\"\n    lock_address = \
            \"{ours}\"\n    unlock_address = \"{ours}\"\n    \
         lock_method = \"LOCK\"\n    unlock_method = \"UNLOCK\"\n    update_method = \
         \"POST\"\n    retry_max = 1\n  }}\n}}\n"
    );
    let site = site.write("backend.tf", &block);
    site.remove(".terraform");
    site.run(&["init", "-input=false"]).ok();
    site.remove("backend.tf");
    site.apply().ok().says("No changes.");
    let variable = |words: &[&str]| {
        let mut command = site.command(&[], words);
        command.env("TF_CLI_ARGS_init", "-backend-config=retry_max=2");
        Running::spawn(command).wait()
    };
    site.remove(".terraform");
    for _ in 0..2 {
        variable(&["plan", "-input=false"]).ok().says("No changes.");
    }
    assert_eq!(
        site.module.json_file(".terraform/terraform.tfstate")["backend"]["config"]["retry_max"],
        2
    );
    site.expect_untouched();
}
