//! Which server a command speaks with, and as whom. A command acts as the operator only if nothing
//! names a key or a server elsewhere, so never by accident. The command line counts before
//! variables. Settings that contradict each other are refused.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::cli::client::kept::KeptLogin;
use crate::cli::client::network::{address, refuse_open_way};
use crate::cli::client::trust::TrustArgs;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::config::{DEFAULT_DATA, PACKAGED_DATA};
use crate::model::secret::{CredentialKind, Secret};

/// That others than its owner can read a file, in its mode.
const OTHERS_READ: u32 = 0o044;
/// The most bytes of a key file that are read.
const MAX_KEY_FILE: u64 = 64 * 1024;

#[derive(Args)]
struct Flags {
    /// The data directory; a command on it acts as the operator. Where it is missing and a package
    /// is installed, /var/lib/statekeep
    #[arg(
        long,
        global = true,
        env = "STATEKEEP_DATA",
        default_value = DEFAULT_DATA,
        value_name = "DIR"
    )]
    data: PathBuf,
    /// A server elsewhere, instead of a data directory
    #[arg(long, global = true, env = "STATEKEEP_URL", value_name = "URL")]
    url: Option<String>,
    /// The file with an API key's secret, for --url; - reads it from standard input
    #[arg(long, global = true, env = "STATEKEEP_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Allow --url to be http:// to another machine, unencrypted
    #[arg(
        long,
        global = true,
        env = "STATEKEEP_INSECURE_HTTP",
        value_parser = FalseyValueParser::new()
    )]
    insecure_http: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Where a setting comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nowhere,
    InVariable,
    OnCommandLine,
}

/// How a command reaches the API.
pub(in crate::cli) struct Reach {
    flags: Flags,
    data: Said,
    url: Said,
    key_file: Said,
}

impl FromArgMatches for Reach {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let said = |name: &str| match matches.value_source(name) {
            Some(ValueSource::CommandLine) => Said::OnCommandLine,
            Some(ValueSource::EnvVariable) => Said::InVariable,
            _ => Said::Nowhere,
        };
        let (data, url, key_file) = (said("data"), said("url"), said("key_file"));
        let mut flags = Flags::from_arg_matches_mut(matches)?;
        if data == Said::Nowhere {
            flags.data = usual_data(Path::new(DEFAULT_DATA), Path::new(PACKAGED_DATA));
        }
        Ok(Self {
            flags,
            data,
            url,
            key_file,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Reach {
    fn augment_args(command: Command) -> Command {
        Flags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args_for_update(command)
    }
}

/// The way that a command takes.
pub(in crate::cli) enum Way<'a> {
    /// A data directory, as the operator.
    Directory(&'a Path),
    /// A server elsewhere, as a key or with a token of it.
    Elsewhere {
        /// The server's address.
        base: String,
        credentials: Credentials<'a>,
        /// Why it is not the operator who acts.
        because: &'static str,
    },
}

/// What a command shows to a server elsewhere.
pub(in crate::cli) enum Credentials<'a> {
    /// The secret in a file.
    KeyFile(&'a Path),
    /// The token that `statekeep login` keeps.
    Login(KeptLogin),
}

impl Reach {
    /// The way, unless what is said contradicts itself.
    pub(in crate::cli) fn way(&self) -> Result<Way<'_>, CliError> {
        use Said::{InVariable, OnCommandLine};
        let Flags {
            data,
            url,
            key_file,
            ..
        } = &self.flags;
        let wants_key = self.key_file == OnCommandLine;
        let goes_elsewhere = self.goes_elsewhere()?;
        match url {
            Some(url) if goes_elsewhere => self.to(url, key_file.as_deref()),
            _ if wants_key => usage(
                "--key-file is for a server elsewhere: give its address by --url too. On a data \
                    directory commands act as the operator, without a key",
            ),
            _ if self.key_file == InVariable && self.data != OnCommandLine => usage(
                "STATEKEEP_KEY_FILE is set, but no address of a server: give --url, or --data DIR \
                    to act on that directory as the operator",
            ),
            _ => Ok(Way::Directory(data)),
        }
    }

    /// The way to a server elsewhere, with the key that is named or else with the login there.
    fn to<'a>(&self, url: &str, key_file: Option<&'a Path>) -> Result<Way<'a>, CliError> {
        let by_flag = self.url == Said::OnCommandLine;
        let base = self.begun(url)?;
        let credentials = match key_file {
            Some(file) => Some(Credentials::KeyFile(file)),
            None => KeptLogin::find(&base)?.map(Credentials::Login),
        };
        let Some(credentials) = credentials else {
            return usage(if by_flag {
                "--url needs --key-file with an API key's secret, or a login there (`statekeep \
                    login`)"
            } else {
                "STATEKEEP_URL is set, so --key-file (or STATEKEEP_KEY_FILE) has to name a file \
                    with an API key's secret, unless there is a login there (`statekeep login`); \
                 with --data DIR the command acts on that directory instead, as the operator"
            });
        };
        let because = if by_flag {
            "--url is given"
        } else {
            "STATEKEEP_URL is set"
        };
        Ok(Way::Elsewhere {
            base,
            credentials,
            because,
        })
    }

    /// The address of a server elsewhere, if no credentials for it are named and nobody is logged
    /// in there: for a question that needs none.
    pub(in crate::cli) fn nameless(&self) -> Result<Option<String>, CliError> {
        match &self.flags.url {
            Some(url) if self.flags.key_file.is_none() && self.goes_elsewhere()? => {
                let base = self.begun(url)?;
                let is_known = KeptLogin::find(&base)?.is_some();
                Ok((!is_known).then_some(base))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The address of a server that may be spoken with.
    fn begun(&self, url: &str) -> Result<String, CliError> {
        let base = address("--url", url)?;
        refuse_open_way(&base, self.flags.insecure_http)?;
        self.flags.trust.begin()?;
        Ok(base)
    }

    /// The address of a server elsewhere and the key file, if one is named, for a command that is
    /// about that server alone.
    pub(in crate::cli) fn elsewhere(&self) -> Result<(String, Option<&Path>), CliError> {
        let Flags { url, key_file, .. } = &self.flags;
        match url {
            Some(url) if self.goes_elsewhere()? => Ok((self.begun(url)?, key_file.as_deref())),
            Some(_) | None => usage("give the server's address by --url (or STATEKEEP_URL)"),
        }
    }

    /// The way to another backend, which secrets and states cross too.
    pub(in crate::cli) fn refuse_open_way_to(&self, url: &str) -> Result<(), CliError> {
        self.flags.trust.begin()?;
        refuse_open_way(url, self.flags.insecure_http)
    }

    /// Whether a server elsewhere is meant, and not a directory of this machine.
    fn goes_elsewhere(&self) -> Result<bool, CliError> {
        use Said::{InVariable, Nowhere, OnCommandLine};
        match (self.url, self.data) {
            (OnCommandLine, OnCommandLine) => usage(
                "--url is a server elsewhere, and --data a directory of this machine: give only \
                    one of them",
            ),
            (InVariable, InVariable) if self.key_file != OnCommandLine => usage(
                "STATEKEEP_URL and STATEKEEP_DATA are both set: choose one by --url or --data, or \
                    unset one",
            ),
            (OnCommandLine, _) | (InVariable, InVariable | Nowhere) => Ok(true),
            (_, OnCommandLine) | (Nowhere, _) => Ok(false),
        }
    }
}

/// The data directory if nothing names one: the one here, or else the package's.
fn usual_data(here: &Path, packaged: &Path) -> PathBuf {
    let is_packaged = !here.exists() && packaged.is_dir();
    if is_packaged { packaged } else { here }.to_owned()
}

fn usage<T>(why: &str) -> Result<T, CliError> {
    Err(CliError::Usage(why.to_owned()))
}

/// The secret in a key file, which holds nothing else.
pub(in crate::cli) fn secret_in(path: &Path) -> Result<Secret, CliError> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin {
        "standard input".to_owned()
    } else {
        output::harmless(&path.display().to_string())
    };
    let wrong = |what: &str| CliError::Failed(format!("{name}: {what}"));
    let text = if is_stdin {
        text_of(std::io::stdin().lock())
    } else {
        File::open(path).and_then(|file| {
            warn_of_readers(&file, &name);
            text_of(file)
        })
    };
    let text = text.map_err(|error| {
        if error.kind() == std::io::ErrorKind::InvalidData {
            return wrong("is not UTF-8; write what `statekeep key create` prints into it anew");
        }
        wrong(&error.to_string())
    })?;
    // Some editors and shells begin each file with a byte order mark.
    let secret = text.trim_start_matches('\u{feff}').trim();
    if secret.is_empty() {
        return Err(wrong(
            "is empty: it holds no API key's secret, which begins with skp_",
        ));
    }
    if secret
        .contains(|letter: char| letter.is_whitespace() || matches!(letter, '=' | '"' | '\'' | ':'))
    {
        return Err(wrong(
            "holds more than a secret; leave in it what `statekeep key create` prints, which \
                begins with skp_, and nothing else",
        ));
    }
    Ok(Secret::new(secret.to_owned()))
}

/// Says once, as ssh does, that others can read a key file. A pipe is nobody else's.
pub(in crate::cli) fn warn_of_readers(file: &File, name: &str) {
    static TOLD: Once = Once::new();
    let is_open = |found: &Metadata| found.is_file() && found.mode() & OTHERS_READ != 0;
    if file.metadata().is_ok_and(|found| is_open(&found)) {
        TOLD.call_once(|| {
            output::message(&format!(
                "statekeep: warning: others can read the key file {name}; chmod 600 it"
            ));
        });
    }
}

/// The text of a key file, as far as one may be long.
fn text_of(file: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    file.take(MAX_KEY_FILE).read_to_string(&mut text)?;
    Ok(text)
}

/// Whose secret it is, as far as it can be told without the server.
pub(in crate::cli) fn owner_of(secret: &Secret) -> String {
    match secret.kind() {
        Some(CredentialKind::Key(id)) => format!("the key {id}"),
        Some(CredentialKind::Token(_)) => "a token".to_owned(),
        None => "an unknown secret".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_directory_counts_where_there_is_none_here() {
        let dir = tempfile::tempdir().unwrap();
        let (here, packaged) = (dir.path().join("here"), dir.path().join("packaged"));
        assert_eq!(usual_data(&here, &packaged), here);
        std::fs::create_dir(&packaged).unwrap();
        assert_eq!(usual_data(&here, &packaged), packaged);
        std::fs::create_dir(&here).unwrap();
        assert_eq!(usual_data(&here, &packaged), here);
    }
}
