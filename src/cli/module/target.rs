//! Which backend the sources of a module configure, and whether that is the state that was named.
//!
//! A file that a killed command left in the module is recognised, and removed if it is in the way.
//! If the program would load no file but one of ours, an apply would destroy all that is stored:
//! only a command that may do so goes on.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::cli::client::login_source::LoginSource;
use crate::cli::module::address::BaseUrl;
use crate::cli::module::address::StateAddress;
use crate::cli::module::detect::ProgramArg;
use crate::cli::module::detect::RootModule;
use crate::cli::module::folder;
use crate::cli::module::http_address::{http_address, is_http};
use crate::cli::module::identity::Whose;
use crate::cli::module::sources::{Beside, Sources, nothing_to_load};
use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::terraform::invocation::DEFAULT_WORKSPACE;
use crate::cli::terraform::invocation::Invocation;
use crate::config::state_variable;
use crate::hcl::{BackendFile, FILE, FoundBlock, Present, Program};
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// Where `OpenTofu` takes a configuration of its encryption from, beside the sources.
const ENCRYPTION: &str = "TF_ENCRYPTION";

/// What an address on this server is that is no state's.
pub(in crate::cli) const NO_STATE_THERE: &str = "no address of a state";

/// Which backend the sources of a module configure.
pub(in crate::cli) enum BackendTarget {
    /// The sources configure no backend.
    Unset {
        /// Whether the program may encrypt the state: only it can store it then.
        may_encrypt: bool,
    },
    /// The sources configure this very state.
    ThisState,
    /// They configure this server, and another state of it or none's address.
    AnotherState(FoundBlock, Option<StateName>),
    /// They configure another backend.
    Other(FoundBlock),
}

/// What every command takes that wraps a program: which state it is about, where the module lies,
/// and how the server is reached.
#[derive(Args)]
#[group(skip)]
#[command(group = ArgGroup::new("login").args(["key_file", "id_token_file", "id_token_env"])
    .required(true).multiple(true))]
pub(in crate::cli) struct Subject {
    /// The state, as WORKSPACE/BUILDINGBLOCK, instead of the two flags
    #[arg(value_name = "W/B", conflicts_with_all = ["workspace", "building_block"])]
    state: Option<StateName>,
    /// The state's workspace
    #[arg(long, value_name = "W")]
    workspace: Option<Workspace>,
    /// The state's building block. Without it, `run` gives the command (make, Terragrunt,
    /// Terramate) a token for the workspace, and does nothing else
    #[arg(long, value_name = "B", requires = "workspace")]
    building_block: Option<BuildingBlock>,
    /// The directory in which the program runs
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
    /// The program that loads the module, if its file's name does not tell
    #[arg(long, value_enum)]
    pub(in crate::cli) program: Option<ProgramArg>,
    /// Examine JSON files (`.tf.json`, `.tofu.json`) too
    #[arg(long)]
    include_json: bool,
    #[command(flatten)]
    beside: Beside,
    #[command(flatten)]
    base: BaseUrl,
    /// The file with an API key's secret; - reads it from standard input
    #[arg(long, env = "STATEKEEP_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The file with an ID token of a CI system, instead of a key; read again while it runs
    #[arg(long, value_name = "FILE", conflicts_with = "id_token_env")]
    id_token_file: Option<PathBuf>,
    /// The variable with an ID token of a CI system, instead of a key
    #[arg(long, value_name = "NAME")]
    id_token_env: Option<String>,
}

impl Subject {
    /// What the token is made from. An ID token is meant before a key that a variable names.
    pub(in crate::cli) fn login_source(&self) -> Result<LoginSource, CliError> {
        match (&self.id_token_file, &self.id_token_env, &self.key_file) {
            (Some(file), _, _) => Ok(LoginSource::IdTokenFile(file.clone())),
            (None, Some(name), _) => Ok(LoginSource::IdTokenVariable(name.clone())),
            (None, None, Some(file)) => Ok(LoginSource::Key(file.clone())),
            (None, None, None) => Err(CliError::Usage("--key-file is missing".to_owned())),
        }
    }

    /// The state's address.
    pub(in crate::cli) fn address(&self) -> Result<StateAddress, CliError> {
        let missing =
            || CliError::Usage("--building-block is missing: it names the state".to_owned());
        self.base.refuse_open_way()?;
        let (workspace, block) = self.named()?;
        self.base.state(workspace, block.ok_or_else(missing)?)
    }

    /// The workspace, and the building block if one is named: on the command line, or by the
    /// variable for both.
    fn named(&self) -> Result<(Workspace, Option<BuildingBlock>), CliError> {
        if let Some(state) = &self.state {
            return Ok((state.workspace.clone(), Some(state.block.clone())));
        }
        if let Some(workspace) = &self.workspace {
            return Ok((workspace.clone(), self.building_block.clone()));
        }
        let Some(text) = state_variable() else {
            return Err(CliError::Usage(
                "the state is missing: name it as W/B, by --workspace and --building-block, or in \
                    STATEKEEP_STATE"
                    .to_owned(),
            ));
        };
        let state: StateName = text
            .parse()
            .map_err(|error| CliError::Usage(format!("STATEKEEP_STATE: {error}")))?;
        Ok((state.workspace, Some(state.block)))
    }

    /// The server's address, the workspace, and the building block if one is named.
    pub(in crate::cli) fn place(
        &self,
    ) -> Result<(String, Workspace, Option<BuildingBlock>), CliError> {
        self.base.refuse_open_way()?;
        let (workspace, block) = self.named()?;
        Ok((self.base.server()?, workspace, block))
    }

    /// Whether a building block is named.
    pub(in crate::cli) fn names_a_state(&self) -> bool {
        self.named().is_ok_and(|(_, block)| block.is_some())
    }

    /// Looks at the module, and removes what a killed command left if that is in the way.
    /// `may_be_empty` is whether this may go on if the program would load no file of its own.
    pub(in crate::cli) async fn backend_target(
        &self,
        invocation: &Invocation,
        address: &StateAddress,
        may_be_empty: bool,
    ) -> Result<BackendTarget, CliError> {
        let root = invocation.root();
        let program = self.program.map(Program::from).or(invocation.program());
        let module = RootModule::at(root, program.map(ProgramArg::from), self.include_json);
        folder::sweep(root)?;
        let is_left_over = folder::is_left_over(root)?;
        let found = match self.beside.look(&module, is_left_over.then_some(FILE))? {
            Sources::Configure(found) => found,
            Sources::AreSilent { is_empty: true, .. } if !may_be_empty => {
                return Err(empty(&module));
            }
            Sources::AreSilent { may_encrypt, .. } => return Ok(unset(program, may_encrypt)),
        };
        if found.file == FILE && !may_be_empty {
            self.refuse_nothing_but_ours(&module)?;
        }
        if is_left_over {
            folder::clear(root)?;
        }
        configured(invocation, address, found).await
    }

    /// Refuses a folder in which the only file is the one that `configure` wrote when there were
    /// others.
    fn refuse_nothing_but_ours(&self, module: &RootModule) -> Result<(), CliError> {
        let is_ours = matches!(BackendFile::present(&module.dir)?, Present::Ours(_));
        let is_empty = is_ours
            && matches!(
                self.beside.look(module, Some(FILE))?,
                Sources::AreSilent { is_empty: true, .. }
            );
        if is_empty { Err(empty(module)) } else { Ok(()) }
    }
}

/// No backend is configured. Only OpenTofu encrypts states, and then only it can store them.
fn unset(program: Option<Program>, may_encrypt: bool) -> BackendTarget {
    let may_encrypt = may_encrypt || std::env::var_os(ENCRYPTION).is_some();
    BackendTarget::Unset {
        may_encrypt: may_encrypt && program != Some(Program::Terraform),
    }
}

/// What a configured backend is to this server. If that cannot be told, no token is given away, and
/// a command that moves a state asks again.
async fn configured(
    invocation: &Invocation,
    address: &StateAddress,
    found: FoundBlock,
) -> Result<BackendTarget, CliError> {
    let theirs = if is_http(&found) {
        http_address(invocation, &found)?
    } else {
        None
    };
    let Some(theirs) = theirs else {
        return Ok(BackendTarget::Other(found));
    };
    Ok(match address.whose(&theirs).await {
        Whose::This(Some(name)) if name == address.name => BackendTarget::ThisState,
        Whose::This(state) => BackendTarget::AnotherState(found, state),
        Whose::Others | Whose::Unknown(_) => BackendTarget::Other(found),
    })
}

fn empty(module: &RootModule) -> CliError {
    nothing_to_load(module).and(
        "Commands that destroy by their words, or only look at what is \
        stored or release it, run here as well.",
    )
}

/// Refuses workspaces of the program.
pub(in crate::cli) fn refuse_workspaces(invocation: &Invocation) -> Result<(), CliError> {
    let workspace = invocation.workspace()?;
    if workspace == DEFAULT_WORKSPACE {
        return Ok(());
    }
    Err(CliError::Failed(format!(
        "the workspace `{}` is selected (TF_WORKSPACE, or `workspace select`), and the http \
            backend has no workspaces; select `default`, and name a \
         building block of its own for each",
        output::harmless(&workspace)
    )))
}
