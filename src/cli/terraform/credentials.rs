//! The `http` backend in the program's environment: credentials, and the settings that would say
//! where a state goes.

use std::process::Command;

use crate::cli::client::trust;
use crate::cli::terraform::patience;
use crate::model::secret::Secret;

/// Credentials for the `http` backend, which the program takes from its environment.
#[derive(Clone)]
pub(in crate::cli) struct HttpCredentials {
    /// The user.
    pub(in crate::cli) user: String,
    /// The password.
    pub(in crate::cli) password: Secret,
    /// The variable with what they were made from, which the program does not get.
    pub(in crate::cli) hidden: Option<String>,
}

impl HttpCredentials {
    /// Hands them to a program that is about to start.
    pub(in crate::cli) fn give(&self, command: &mut Command) {
        command
            .env(USER, &self.user)
            .env(PASSWORD, self.password.reveal());
        if let Some(name) = &self.hidden {
            command.env_remove(name);
        }
        patience::give(command);
        trust::give(command);
    }

    /// The same for our own block, which has all settings that say where.
    pub(in crate::cli) fn give_for_our_block(&self, command: &mut Command) {
        self.give(command);
        for name in SETTINGS {
            command.env_remove(name);
        }
    }
}

/// Where the program takes the user of its `http` backend from.
pub(in crate::cli) const USER: &str = "TF_HTTP_USERNAME";
/// Where it takes the password from.
pub(in crate::cli) const PASSWORD: &str = "TF_HTTP_PASSWORD";
/// What the `http` backend would take from the environment if its block does not say it; the
/// address first.
pub(in crate::cli) const SETTINGS: [&str; 6] = [
    "TF_HTTP_ADDRESS",
    "TF_HTTP_LOCK_ADDRESS",
    "TF_HTTP_UNLOCK_ADDRESS",
    "TF_HTTP_UPDATE_METHOD",
    "TF_HTTP_LOCK_METHOD",
    "TF_HTTP_UNLOCK_METHOD",
];

/// Settings of the `http` backend that say how it is reached, and not where or as whom.
pub(in crate::cli) const HARMLESS: [&str; 7] = [
    "client_ca_certificate_pem",
    "client_certificate_pem",
    "client_private_key_pem",
    "retry_max",
    "retry_wait_max",
    "retry_wait_min",
    "skip_cert_verification",
];
