//! `examples/ci`: the pipelines, run as their CI would run them: for a change with the planner's
//! key alone, on `main` with both, each job in a checkout of its own where the CI makes one.
//!
//! Before each job another client holds the lock, so that a job which does not wait for it fails.

mod github;
mod gitlab;
mod jenkins;
mod woodpecker;

use std::collections::BTreeMap;
use std::path::Path;

use tempfile::TempDir;

use super::{SITE, STATE, Tools, module, text, with};
use crate::clients::Program;
use crate::clients::run::{Run, Running};
use crate::harness::{Client, Server};

/// A lock that somebody else holds for a while.
const LOCK: &str = "11111111-2222-4333-8444-555555555555";

/// What a pipeline is started for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum On {
    /// A pull request or a merge request.
    Change,
    /// A push to `main`.
    Main,
}

/// The two forms of each pipeline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// By `statekeep run`; the sources configure no backend.
    Run,
    /// The sources have a `backend` block.
    Backend,
}

/// What the CI keeps for a pipeline: the secrets that `README.md` says where to put.
struct Store {
    form: Form,
    planner: String,
    /// Not there for a change.
    writer: Option<String>,
    /// Where secrets of the kind "file" lie.
    files: TempDir,
}

impl Store {
    /// The secret of this name, in the spelling of one of the CIs.
    #[track_caller]
    fn secret(&self, name: &str) -> &str {
        match name.to_lowercase().replace('-', "_").as_str() {
            "statekeep_planner_key" => &self.planner,
            "statekeep_writer_key" => self.writer.as_ref().expect("a change has no writer's key"),
            other => panic!("README.md knows no secret `{other}`"),
        }
    }

    /// The same as the path of a file.
    #[track_caller]
    fn file(&self, name: &str) -> String {
        let path = self.files.path().join(name);
        std::fs::write(&path, format!("{}\n", self.secret(name))).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }
}

/// One job, or one step, of a pipeline.
struct Job {
    /// Whether it works in a checkout of its own.
    fresh: bool,
    variables: BTreeMap<String, String>,
    script: String,
    /// Files of jobs before that are put into the checkout.
    takes: Vec<String>,
    /// Files that are kept for jobs that follow.
    keeps: Vec<String>,
}

/// Makes jobs of the text of a pipeline: those that run, in their order.
type Read = fn(&str, On, &Store) -> Vec<Job>;

/// A repository with a CI, and a server.
struct Site<'a> {
    program: &'a Program,
    server: Server,
    tools: Tools,
    planner: Client,
    writer: Client,
    form: Form,
}

/// The whole story of one pipeline.
fn plans_a_change_and_applies_on_main(program: &Program, form: Form, file: &str, read: Read) {
    let site = Site::start(program, form);

    for run in site.play(file, On::Change, read) {
        run.says("1 to add");
    }
    site.server.admin().expect_never_written(STATE);

    let runs = site.play(file, On::Main, read);
    assert_eq!(runs.len(), 2, "a plan and an apply");
    let versions = site.server.admin().versions(STATE);
    assert_eq!(versions.len(), 1, "{versions:?}");
    assert_eq!(
        versions[0]["created_by"]["id"], site.writer.key_id,
        "{versions:?}"
    );
    assert_eq!(
        versions[0]["lock"]["operation"], "OperationTypeApply",
        "{versions:?}"
    );
}

impl<'a> Site<'a> {
    fn start(program: &'a Program, form: Form) -> Self {
        let server = Server::start();
        let (planner, writer) = (server.key(STATE, "planner"), server.key(STATE, "writer"));
        Self {
            program,
            server,
            tools: Tools::of(program),
            planner,
            writer,
            form,
        }
    }

    /// Runs the jobs of a pipeline, one after the other.
    fn play(&self, file: &str, on: On, read: Read) -> Vec<Run> {
        let store = Store {
            form: self.form,
            planner: self.planner.secret().to_owned(),
            writer: (on == On::Main).then(|| self.writer.secret().to_owned()),
            files: TempDir::new().expect("a directory"),
        };
        let jobs = read(&self.pipeline(file), on, &store);
        let (mut checkout, mut kept) = (self.checkout(), BTreeMap::new());
        let mut runs = Vec::new();
        for job in jobs {
            if job.fresh {
                checkout = self.checkout();
            }
            for file in &job.takes {
                let bytes: &Vec<u8> = kept.get(file).expect("a job before has kept it");
                std::fs::write(checkout.path().join(file), bytes).expect("a file");
            }
            runs.push(self.run(&job, checkout.path()));
            for file in job.keeps {
                let bytes = std::fs::read(checkout.path().join(&file)).expect("the job made it");
                kept.insert(file, bytes);
            }
        }
        runs
    }

    /// The file, with the address of this server and the name of the program in it.
    fn pipeline(&self, file: &str) -> String {
        let text = text(&format!("ci/{file}"));
        let text = match self.form {
            Form::Run => with(&text, &[(SITE, self.server.url())]),
            Form::Backend => text,
        };
        with(
            &text,
            &[("terraform plan", &format!("{} plan", self.program.name()))],
        )
        .replace("terraform apply", &format!("{} apply", self.program.name()))
        .replace("terraform init", &format!("{} init", self.program.name()))
    }

    /// The sources as they come out of the repository.
    fn checkout(&self) -> TempDir {
        let dir = TempDir::new().expect("a directory");
        module::copy("network", dir.path(), &self.server);
        let main = std::fs::read_to_string(dir.path().join("network/main.tf")).expect("a file");
        std::fs::remove_dir_all(dir.path().join("network")).expect("it was copied");
        let main = match self.form {
            Form::Backend => main,
            Form::Run => without_backend(&main),
        };
        std::fs::write(dir.path().join("main.tf"), main).expect("a file");
        dir
    }

    /// Runs a job that finds the state locked at first.
    #[track_caller]
    fn run(&self, job: &Job, checkout: &Path) -> Run {
        let admin = self.server.admin();
        admin.lock(STATE, LOCK).expect_status(200);
        let mut shell = self.tools.shell(checkout, &job.script);
        shell.envs(&job.variables);
        let mut running = Running::spawn(shell);
        running.wait_until("it met the lock", || {
            admin
                .lock_evidence(STATE)
                .is_some_and(|lock| lock["refused"]["count"] != 0)
        });
        admin.unlock(STATE, LOCK).expect_status(200);
        let run = running.wait().ok();
        admin.expect_unlocked(STATE);
        assert!(
            !checkout.join("statekeep_backend.tf").exists(),
            "a file was left: {run}"
        );
        let secrets = [self.planner.secret(), self.writer.secret()];
        secrets
            .iter()
            .fold(run, |run, secret| run.never_says(secret))
    }
}

/// The module of `examples/module`, without its `backend` block.
fn without_backend(main: &str) -> String {
    let (before, rest) = main
        .split_once("  backend \"http\" {\n")
        .expect("a backend block");
    let (_, after) = rest.split_once("\n  }\n").expect("its end");
    format!("{before}{after}")
}
