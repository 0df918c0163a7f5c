//! The backend's settings that `init` is told beside its block: `-backend-config`, with a setting
//! or with a file of them, on the command line and in the variables that add to it. They are read
//! as `init` reads them. A setting that cannot be read so is refused, since the state would go
//! elsewhere.

use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::terraform::invocation::Invocation;
use crate::cli::terraform::reading::read_at_most;
use crate::hcl;

/// Larger files hold no settings, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Settings that `init` is told, in their order; a later one holds over an earlier one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct BackendConfig {
    settings: Vec<(String, Option<String>)>,
    /// Whether there is a `-backend-config`, be it an empty one.
    pub(in crate::cli) any: bool,
}

impl BackendConfig {
    /// The value of a setting, if it is told. Fails if its value cannot be read.
    pub(in crate::cli) fn get(&self, name: &str) -> Result<Option<&str>, CliError> {
        match self.settings.iter().rev().find(|(told, _)| told == name) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(Some(value)),
            Some((_, None)) => Err(CliError::Failed(format!(
                "a file of -backend-config has `{name}` not as a plain text, so the address is \
                    unknown; write it out"
            ))),
        }
    }

    /// The names of what is told.
    pub(in crate::cli) fn names(&self) -> impl Iterator<Item = &str> {
        self.settings.iter().map(|(name, _)| name.as_str())
    }
}

impl Invocation {
    /// What the next `init` is told.
    pub(in crate::cli) fn told(&self) -> Result<BackendConfig, CliError> {
        self.told_by(self.backend_settings())
    }

    /// The same for some values of `-backend-config`.
    pub(in crate::cli) fn told_by(&self, values: Vec<String>) -> Result<BackendConfig, CliError> {
        let mut told = BackendConfig {
            any: !values.is_empty(),
            ..BackendConfig::default()
        };
        for value in values.into_iter().filter(|value| !value.is_empty()) {
            match value.split_once('=') {
                Some((name, value)) => told
                    .settings
                    .push((name.trim().to_owned(), Some(value.to_owned()))),
                None => told.settings.extend(self.settings_in(&value)?),
            }
        }
        Ok(told)
    }

    /// The settings in a file. The program looks for it in the folder that it changes to.
    fn settings_in(&self, file: &str) -> Result<Vec<(String, Option<String>)>, CliError> {
        let path = self.root().join(file);
        let wrong = |why: &str| {
            CliError::Failed(format!(
                "-backend-config: {}: {why}",
                output::harmless(&path.display().to_string())
            ))
        };
        let bytes = read_at_most(&path, MAX_FILE).map_err(|error| wrong(&error.to_string()))?;
        let bytes = bytes.ok_or_else(|| wrong("there is no such file"))?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        hcl::settings(file, &text).map_err(|why| wrong(&output::harmless(&why)))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn files_and_settings_hold_in_their_order() {
        let dir = tempfile::TempDir::new().expect("a directory");
        std::fs::create_dir(dir.path().join("sub")).expect("a directory");
        std::fs::write(
            dir.path().join("sub/one.tfbackend"),
            "address = \"http://one/\"\nlock_address = \"http://lock/\"\n",
        )
        .expect("a file");
        std::fs::write(
            dir.path().join("sub/two.json"),
            r#"{"address": "http://two/"}"#,
        )
        .expect("a file");
        std::fs::write(dir.path().join("sub/odd"), "address = \"${x}\"\n").expect("a file");
        let told = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            Invocation::read(&words, dir.path())
                .expect("a command")
                .told()
        };
        let address = |line: &str| {
            told(line)?
                .get("address")
                .map(|address| address.map(str::to_owned))
        };
        for (line, expected) in [
            (
                "tofu -chdir=sub init -backend-config=one.tfbackend",
                Some("http://one/"),
            ),
            (
                "tofu -chdir=sub init -backend-config one.tfbackend --backend-config=two.json",
                Some("http://two/"),
            ),
            (
                "tofu -chdir=sub init -backend-config=two.json -backend-config=one.tfbackend",
                Some("http://one/"),
            ),
            (
                "tofu -chdir=sub init -backend-config=address=http://three/ \
                    -backend-config=retry_max=3",
                Some("http://three/"),
            ),
            (
                "tofu -chdir=sub init -backend-config=address=http://three/?a=b \
                    -backend-config=two.json",
                Some("http://two/"),
            ),
            (
                "tofu -chdir=sub init -backend-config=odd -backend-config=address=http://four/",
                Some("http://four/"),
            ),
            ("tofu -chdir=sub init -backend-config=", None),
            ("tofu -chdir=sub init", None),
        ] {
            assert_eq!(address(line).expect(line).as_deref(), expected, "{line}");
        }
        for line in [
            "tofu init -backend-config=one.tfbackend",
            "tofu -chdir=sub init -backend-config=odd",
            "tofu init -backend-config=sub",
        ] {
            assert!(address(line).is_err(), "{line}");
        }
    }
}
