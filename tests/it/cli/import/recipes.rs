//! The recipes of docs/moving.md, run word by word. The storages' own programs are stood in for:
//! each makes the folder that the real one leaves.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::super::{stderr, stub};
use super::{put, str};
use crate::cli::export::files;
use crate::harness::{Server, binary, lineage, tfstate};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/moving.md");

/// The commands of the page, by the heading that they stand under.
fn recipes() -> BTreeMap<String, Vec<String>> {
    let page = fs::read_to_string(PAGE).expect("the page");
    let sections = page.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (heading, text) = section.split_once('\n').expect("a heading");
            let blocks = text.split("```sh\n").skip(1);
            let commands = blocks.map(|block| block.split("```").next().unwrap_or_default());
            (heading.to_owned(), commands.map(str::to_owned).collect())
        })
        .collect()
}

/// A folder to work in, a server, and what stands in for other programs.
struct Site {
    server: Server,
    dir: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self {
            server: Server::start(),
            dir: TempDir::new().expect("a folder"),
        };
        let program = site.dir.path().join("bin/statekeep");
        fs::create_dir_all(program.parent().expect("a folder")).expect("folders");
        std::os::unix::fs::symlink(binary(), program).expect("a link");
        site
    }

    /// A program that does this. It fails unless it is called with these words.
    fn stand_in(&self, program: &str, words: &str, script: &str) {
        let text = format!(
            "#!/bin/sh\nset -eu\ncase \"$*\" in *'{words}'*) ;; *) exit 64 ;; esac\n{script}\n"
        );
        let path = self.dir.path().join("bin").join(program);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Lays files out as a program leaves them, each with a state of its own.
    fn lay_out(&self, folder: &str, files: &[&str]) {
        for (number, file) in (1..).zip(files) {
            put(
                &self.dir.path().join(folder),
                file,
                &tfstate(&lineage(number), 1),
            );
        }
    }

    fn run(&self, commands: &str, variables: &[(&str, &str)]) {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", str(&self.dir.path().join("bin")));
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(self.dir.path())
            .env("PATH", path)
            .env("STATEKEEP_DATA", self.server.data())
            .envs(variables.iter().copied())
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{commands}\n{}", stderr(&output));
    }

    fn states(&self) -> Vec<String> {
        super::folders::names(&self.server.admin())
    }
}

#[test]
fn each_recipe_has_a_test() {
    let headings: Vec<String> = recipes().into_keys().collect();
    assert_eq!(
        headings,
        [
            "From Azure",
            "From GitLab",
            "From Google Cloud",
            "From S3 or MinIO",
            "From a folder of modules",
            "From any other backend",
            "Out again"
        ]
    );
}

/// A heading, the storage's own program, the folder that it fills, the files that it leaves there,
/// and the states that they are.
type Recipe = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

#[test]
fn what_a_storage_leaves_in_a_folder_is_taken_in() {
    let cases: [Recipe; 4] = [
        (
            "From a folder of modules",
            "",
            "live",
            &["prod/eu/db/terraform.tfstate"],
            &["prod/eu-db"],
        ),
        (
            "From S3 or MinIO",
            "aws",
            "from-s3",
            &[
                "stacks/net.tfstate",
                "env:/blue/stacks/net.tfstate",
                "db",
                "env:/blue/db",
            ],
            &[
                "team-a/db",
                "team-a/db-blue",
                "team-a/stacks-net",
                "team-a/stacks-net-blue",
            ],
        ),
        (
            "From Azure",
            "az",
            "from-azure",
            &["prod.terraform.tfstate", "prod.terraform.tfstateenv:blue"],
            &["team-a/prod.terraform", "team-a/prod.terraform-blue"],
        ),
        (
            "From Google Cloud",
            "gcloud",
            "from-gcs",
            &["net/default.tfstate", "net/blue.tfstate"],
            &["team-a/net-blue", "team-a/net-default"],
        ),
    ];
    let recipes = recipes();
    for (heading, program, folder, files, states) in cases {
        let site = Site::new();
        if program.is_empty() {
            site.lay_out(folder, files);
        } else {
            site.lay_out("there", files);
            put(&site.dir.path().join("there"), "net.tfstate.tflock", "{}");
            if program == "aws" {
                put(&site.dir.path().join("there"), "db-md5", "0cc175b9");
            }
            site.stand_in(program, folder, &format!("mv there {folder}"));
        }
        site.run(&recipes[heading][0], &[]);
        assert_eq!(site.states(), states, "{heading}");
    }
}

#[test]
fn a_bucket_with_another_folder_of_workspaces_is_taken_in() {
    let site = Site::new();
    let keys = ["stacks/net.tfstate", "ws/blue/stacks/net.tfstate"];
    site.lay_out("there", &keys);
    site.stand_in("aws", "from-s3-ws", "mv there from-s3-ws");
    let [_, commands] = &recipes()["From S3 or MinIO"][..] else {
        panic!("two recipes");
    };
    site.run(commands, &[]);
    assert_eq!(
        site.states(),
        ["team-a/stacks-net", "team-a/stacks-net-blue"]
    );
}

#[test]
fn a_project_of_gitlab_is_taken_in_with_its_history() {
    let site = Site::new();
    let list =
        r#"{"data":{"project":{"terraformStates":{"nodes":[{"name":"net"},{"name":"db"}]}}}}"#;
    site.stand_in("curl", "/api/graphql", &format!("printf '%s' '{list}'"));
    let address = stub(|head| {
        let state = |lineage: &str, serial| {
            let body = tfstate(lineage, serial);
            let length = body.len();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
        };
        let path = head.split(' ').nth(1).unwrap_or_default();
        match path.strip_prefix("/api/v4/projects/infra%2Flive/terraform/state/") {
            Some("net") => state(&lineage(1), 3),
            Some("net/versions/2") => state(&lineage(1), 2),
            Some("db") => state(&lineage(2), 1),
            _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
        }
    });
    let variables = [("GITLAB", address.as_str()), ("GITLAB_TOKEN", "glpat-x")];
    site.run(&recipes()["From GitLab"][0], &variables);
    assert_eq!(site.states(), ["team-a/db", "team-a/net"]);
    assert_eq!(site.server.admin().versions("team-a/net").len(), 2);
}

#[test]
fn the_storage_of_gitlab_is_taken_in_under_the_names_of_its_database() {
    let site = Site::new();
    let hash = "2099a9b5f777e242d1f9e19d27e232cc71e2fa7964fc988a319fce5671ca7f73";
    for (number, uuid) in (1..).zip(["0b7d", "5e1f"]) {
        for serial in [1, 2] {
            let file = format!("20/99/{hash}/{uuid}/{serial}.tfstate");
            let storage = site.dir.path().join("terraform_state");
            put(&storage, &file, &tfstate(&lineage(number), serial));
        }
    }
    let rows = "printf '%s\\n' '0b7d 650 net' '5e1f 650 db'";
    site.stand_in("gitlab-psql", "from terraform_states", rows);
    site.run(
        &recipes()["From GitLab"][1],
        &[("STORAGE", "terraform_state")],
    );
    assert_eq!(site.states(), ["project-650/db", "project-650/net"]);
    let versions = site.server.admin().versions("project-650/net");
    assert_eq!(versions.len(), 2, "{versions:?}");
}

#[test]
fn what_another_backend_holds_is_pulled_by_the_program() {
    let site = Site::new();
    for module in ["network", "database"] {
        let number = module.len() as u64;
        put(
            &site.dir.path().join(module),
            "there",
            &tfstate(&lineage(number), 1),
        );
    }
    let pull = r#"module=${1#-chdir=}; cat "$module/there""#;
    site.stand_in("terraform", "state pull", pull);
    site.run(&recipes()["From any other backend"][0], &[]);
    assert_eq!(site.states(), ["team-a/database", "team-a/network"]);
}

#[test]
fn what_goes_out_is_named_as_others_want_it_and_comes_in_again() {
    let site = Site::new();
    let admin = site.server.admin();
    for (name, number) in [("team-a/network", 1), ("rival/db", 2)] {
        for serial in 1..=2 {
            let written = admin.write(name, tfstate(&lineage(number), serial), None);
            written.expect_status(200);
        }
    }
    site.stand_in("aws", "out s3://my-states", "cp -r out bucket");
    for commands in &recipes()["Out again"] {
        site.run(commands, &[]);
    }
    let bucket = files(&site.dir.path().join("bucket"));
    let expected = [
        (
            "rival/db/terraform.tfstate".to_owned(),
            tfstate(&lineage(2), 2).into_bytes(),
        ),
        (
            "team-a/network/terraform.tfstate".to_owned(),
            tfstate(&lineage(1), 2).into_bytes(),
        ),
    ];
    assert_eq!(bucket, BTreeMap::from(expected));
    let tar = site.dir.path().join("all.tar");
    for what in [&tar, Path::new("out")] {
        let (other, from) = (Server::start(), site.dir.path().join(what));
        let output = other.cli(&["import", str(&from)]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let written =
            |server: &Server| server.admin().versions("team-a/network")[0]["created_at"].clone();
        assert_eq!(written(&other), written(&site.server), "{}", from.display());
    }
}
