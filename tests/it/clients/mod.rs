//! Real `terraform` and real `tofu` against the real binary: what a user types, sees and keeps.
//!
//! [`module::Module`] is a root module in a directory of its own; its verbs run one of the programs
//! on it and hand back a [`run::Run`], which knows what was said and shouts it when a test expected
//! something else. [`proxy::LossyProxy`] is a network that loses answers. Only the built-in
//! `terraform_data` resource is used, so that nothing is ever downloaded. Each test is there twice,
//! by [`for_each_program`] or [`for_either_program`].

mod access;
mod addresses;
mod broken_locks;
mod configured;
mod contention;
mod dead_locks;
mod everyday;
mod large;
mod long_runs;
mod lost_answers;
mod methods;
pub(crate) mod module;
mod native_encryption;
mod proxy;
mod readme;
mod remote_state;
mod rollbacks;
pub(crate) mod run;
mod runs;
mod state_commands;
mod targets;
mod tls;
mod transfers;
mod unlocked;

use std::path::PathBuf;

use crate::harness::{Client, state_path};
use crate::skip;

/// The state that most tests are about.
const STATE: &str = "team/app";

/// Makes each of the named functions a test with Terraform and a test with OpenTofu, skipped where
/// the program is missing.
macro_rules! for_each_program {
    ($($(#[$attribute:meta])? $test:ident),+ $(,)?) => {
        mod terraform {
            $(#[test]
            $(#[$attribute])?
            fn $test() {
                if let Some(program) = $crate::clients::Program::terraform() {
                    super::$test(&program);
                }
            })+
        }
        $crate::clients::for_tofu![$($(#[$attribute])? $test),+];
    };
}
pub(crate) use for_each_program;

/// The same for our own part, to which both programs are one: the tests with Terraform belong to
/// the middle tier.
macro_rules! for_either_program {
    ($($test:ident),+ $(,)?) => {
        mod terraform {
            $(#[test]
            #[ignore = "middle tier: the same as with OpenTofu"]
            fn $test() {
                if let Some(program) = $crate::clients::Program::terraform() {
                    super::$test(&program);
                }
            })+
        }
        $crate::clients::for_tofu![$($test),+];
    };
}
pub(crate) use for_either_program;

/// The same for what only OpenTofu can do.
macro_rules! for_tofu {
    ($($(#[$attribute:meta])? $test:ident),+ $(,)?) => {
        mod tofu {
            $(#[test]
            $(#[$attribute])?
            fn $test() {
                if let Some(program) = $crate::clients::Program::tofu() {
                    super::$test(&program);
                }
            })+
        }
    };
}
pub(crate) use for_tofu;

/// One of the two programs, as it is installed here.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Terraform,
    OpenTofu,
}

impl Program {
    pub(crate) fn terraform() -> Option<Self> {
        skip::program("terraform", "STATEKEEP_TERRAFORM").map(|path| Self {
            path,
            kind: Kind::Terraform,
        })
    }

    pub(crate) fn tofu() -> Option<Self> {
        skip::program("tofu", "STATEKEEP_TOFU").map(|path| Self {
            path,
            kind: Kind::OpenTofu,
        })
    }

    /// What a user types to run it.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Terraform => "terraform",
            Kind::OpenTofu => "tofu",
        }
    }
}

/// What the tests look at on the server's side, besides what the harness offers.
impl Client {
    /// The evidence of a state's lock, or nothing when it is free.
    pub(crate) fn lock_evidence(&self, name: &str) -> Option<serde_json::Value> {
        let answer = self.get(&format!("{}/lock", state_path(name)));
        if answer.status == 404 {
            answer.expect_problem(404, "no_lock");
            return None;
        }
        Some(answer.expect_status(200).json())
    }

    #[track_caller]
    pub(crate) fn expect_unlocked(&self, name: &str) {
        if let Some(lock) = self.lock_evidence(name) {
            panic!("a lock was left behind: {lock}");
        }
    }

    /// Checks that there is neither a state nor a rejected version.
    #[track_caller]
    pub(crate) fn expect_never_written(&self, name: &str) {
        self.read(name).expect_problem(404, "no_state");
        let versions = self.get(&format!("{}/versions", state_path(name)));
        if self.lock_evidence(name).is_some() {
            // An address that is locked before its first write has a history, with nothing in it.
            assert_eq!(
                versions.expect_status(200).json()["versions"],
                serde_json::json!([])
            );
        } else {
            versions.expect_problem(404, "no_state");
        }
    }

    /// The exact bytes of one version, as text.
    fn version_text(&self, name: &str, number: &serde_json::Value) -> String {
        self.get(&format!("{}/versions/{number}", state_path(name)))
            .expect_status(200)
            .text()
    }
}
