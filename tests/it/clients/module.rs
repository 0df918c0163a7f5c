//! A root module in a directory of its own, the program that runs it, and the credentials that it
//! runs with.
//!
//! A user's own settings (`TF_…`, `TOFU_…`, `~/.terraformrc`) never reach a run, and the
//! credentials go the documented way: `TF_HTTP_PASSWORD`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::run::{Run, Running};
use super::{Kind, Program, STATE};
use crate::harness::{Client, Server};

/// An empty file that stands for `~/.terraformrc`.
const SETTINGS: &str = "settings.tfrc";

/// The settings of a `backend "http"` block.
pub(crate) struct Backend(Vec<(String, String)>);

impl Backend {
    /// What the README tells everybody to use: the state's address three times.
    pub(crate) fn locking(address: &str) -> Self {
        Self::unlocked(address)
            .set("lock_address", address)
            .set("unlock_address", address)
    }

    /// An address alone: the client never locks.
    pub(super) fn unlocked(address: &str) -> Self {
        Self(Vec::new()).set("address", address)
    }

    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    fn hcl(&self) -> String {
        let settings: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("    {name} = \"{value}\"\n"))
            .collect();
        format!(
            "terraform {{\n  backend \"http\" {{\n{}  }}\n}}\n",
            settings.concat()
        )
    }
}

/// A root module that one of the programs runs with someone's key.
pub(crate) struct Module<'a> {
    dir: TempDir,
    program: &'a Program,
    secret: String,
}

impl<'a> Module<'a> {
    /// An empty module without a backend: its state is a local file.
    pub(super) fn local(program: &'a Program, key: &Client) -> Self {
        Self {
            dir: TempDir::new().expect("a directory for the module"),
            program,
            secret: key.secret().to_owned(),
        }
    }

    pub(crate) fn new(program: &'a Program, key: &Client, backend: &Backend) -> Self {
        Self::local(program, key).backend(backend)
    }

    /// A writer's module whose resources are made and stored as the first version of [`STATE`].
    #[track_caller]
    pub(super) fn applied(program: &'a Program, server: &Server, names: &[&str]) -> Self {
        let module = Self::new(
            program,
            &server.key("team", "writer"),
            &Backend::locking(&server.state(STATE)),
        )
        .ready(&resources(names));
        module.apply().ok();
        module
    }

    pub(super) fn backend(self, backend: &Backend) -> Self {
        self.write("backend.tf", &backend.hcl())
    }

    /// Writes a file of the module.
    pub(super) fn write(self, file: &str, text: &str) -> Self {
        self.add(file, text);
        self
    }

    /// Writes one more file of the module.
    pub(crate) fn add(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).expect("a file of the module");
    }

    /// The module with the file that says what it manages, and initialised.
    #[track_caller]
    pub(crate) fn ready(self, main: &str) -> Self {
        let module = self.write("main.tf", main);
        module.init().ok();
        module
    }

    /// From here on the module runs with another key.
    pub(super) fn with_key(mut self, key: &Client) -> Self {
        key.secret().clone_into(&mut self.secret);
        self
    }

    /// Its directory.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of the program that runs it.
    pub(super) fn program(&self) -> &str {
        self.program.path.to_str().expect("UTF-8")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    /// A file of the module that holds JSON, such as `errored.tfstate`.
    #[track_caller]
    pub(super) fn json_file(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.path(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}: {text}"))
    }

    pub(super) fn is_tofu(&self) -> bool {
        self.program.kind == Kind::OpenTofu
    }

    #[track_caller]
    pub(super) fn init(&self) -> Run {
        self.run(&["init", "-input=false"])
    }

    #[track_caller]
    pub(crate) fn plan(&self) -> Run {
        self.run(&["plan", "-input=false"])
    }

    #[track_caller]
    pub(crate) fn apply(&self) -> Run {
        self.start_apply(&[]).wait()
    }

    pub(super) fn start_apply(&self, flags: &[&str]) -> Running {
        self.start(&[&["apply", "-input=false", "-auto-approve"], flags].concat())
    }

    #[track_caller]
    pub(super) fn destroy(&self) -> Run {
        self.run(&["destroy", "-input=false", "-auto-approve"])
    }

    #[track_caller]
    pub(super) fn force_unlock(&self, id: &str) -> Run {
        self.run(&["force-unlock", "-force", id])
    }

    #[track_caller]
    pub(super) fn run(&self, args: &[&str]) -> Run {
        self.start(args).wait()
    }

    /// With variables of somebody's environment.
    #[track_caller]
    pub(super) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        Running::spawn(command).wait()
    }

    pub(super) fn start(&self, args: &[&str]) -> Running {
        Running::spawn(self.command(args))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program.path);
        isolate(&mut command, self.dir.path());
        command
            .args(args)
            .env("TF_HTTP_USERNAME", "x")
            .env("TF_HTTP_PASSWORD", &self.secret);
        command
    }
}

/// Takes a user's own settings of the programs out of a command's environment, and lets it run in
/// this directory.
pub(crate) fn isolate(command: &mut Command, dir: &Path) {
    let own = ["TF_", "TOFU_", "STATEKEEP_"];
    for (name, _) in std::env::vars_os().filter(|(name, _)| {
        own.iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
    }) {
        command.env_remove(name);
    }
    let settings = dir.join(SETTINGS);
    std::fs::write(&settings, "").expect("a file in the module's directory");
    command
        .current_dir(dir)
        .env("TF_CLI_CONFIG_FILE", settings)
        .env("TF_CLI_ARGS", "-no-color");
    // Each of these programs lives too short to collect garbage.
    command
        .env("TF_IN_AUTOMATION", "1")
        .env("CHECKPOINT_DISABLE", "1")
        .env("GOGC", "off");
}

/// A module that makes one resource for each name.
pub(crate) fn resources(names: &[&str]) -> String {
    let resource = |name: &&str| {
        format!("resource \"terraform_data\" \"{name}\" {{\n  input = \"made by {name}\"\n}}\n")
    };
    names.iter().map(resource).collect::<Vec<_>>().concat()
}

/// A resource whose making stands still for as long as its [`Gate`] is closed.
pub(super) fn gated_resource(name: &str) -> String {
    let command = format!("touch {name}.reached; while [ -e {name}.closed ]; do sleep 0.05; done");
    format!(
        "resource \"terraform_data\" \"{name}\" {{\n  provisioner \"local-exec\" {{\n    command = \
            \"{command}\"\n  }}\n}}\n"
    )
}

/// Holds an apply up in the middle of its work. It opens when it is dropped, or when its module's
/// directory goes away.
pub(super) struct Gate {
    closed: PathBuf,
    reached: PathBuf,
}

impl Gate {
    /// Closes the gate of a [`gated_resource`].
    pub(super) fn close(module: &Module<'_>, name: &str) -> Self {
        let gate = Self {
            closed: module.path(&format!("{name}.closed")),
            reached: module.path(&format!("{name}.reached")),
        };
        std::fs::write(&gate.closed, "").expect("a file of the module");
        gate
    }

    /// Waits until an apply stands at the gate.
    #[track_caller]
    pub(super) fn wait_for(&self, apply: &mut Running) {
        apply.wait_until("it stood at the gate", || self.reached.exists());
    }

    pub(super) fn open(self) {
        drop(self);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.closed);
    }
}
