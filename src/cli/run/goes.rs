//! Where the state of a module goes, by what its sources say, what `init` is told, what is recorded, and what the environment adds.
//!
//! What a killed command left in the module is seen for what it is, and taken away where it is in the way.

use super::folder;
use crate::cli::configure::address::Address;
use crate::cli::configure::sources::{Beside, Sources};
use crate::cli::detect::{Asked, Module};
use crate::cli::output::Failure;
use crate::cli::tool::{Invocation, Record, SETTINGS};
use crate::hcl::{FILE, Found, Kind, Program};

/// Where `OpenTofu` takes a configuration of its encryption from, beside the sources.
const ENCRYPTION: &str = "TF_ENCRYPTION";

/// Where the state of a module goes.
pub(in crate::cli) enum Goes {
    /// Nowhere yet.
    Nowhere {
        /// Whether the program may encrypt the state: only it can store it then.
        may_encrypt: bool,
    },
    /// To this very state, by the sources' own words.
    Here,
    /// Elsewhere.
    Elsewhere(Found),
}

/// A module that is to be looked at.
pub(in crate::cli) struct Look<'a> {
    /// Who would load it, where the program's name does not say so.
    pub(in crate::cli) program: Option<Asked>,
    /// Whether JSON files are examined as well.
    pub(in crate::cli) include_json: bool,
    /// What to do about those that are not.
    pub(in crate::cli) beside: &'a Beside,
    /// The wrapped command.
    pub(in crate::cli) invocation: &'a Invocation,
    /// This very state.
    pub(in crate::cli) address: &'a Address,
}

impl Look<'_> {
    /// Looks at the module, and removes what a killed command left where it is in the way.
    pub(in crate::cli) fn goes(&self) -> Result<Goes, Failure> {
        let root = self.invocation.root();
        let program = self.program.map(Program::from).or(self.invocation.program());
        let module = Module::at(root, program.map(Asked::from), self.include_json);
        folder::sweep(root)?;
        let is_left_over = folder::is_left_over(root)?;
        let sources = self.beside.look(&module, is_left_over.then_some(FILE))?;
        let found = match sources {
            Sources::Configure(found) => found,
            Sources::AreSilent { may_encrypt } => {
                let may_encrypt = may_encrypt || std::env::var_os(ENCRYPTION).is_some();
                return Ok(Goes::Nowhere { may_encrypt: may_encrypt && program != Some(Program::Terraform) });
            }
        };
        if is_left_over {
            folder::clear(root)?;
        }
        let is_here = found.kind == Kind::Backend && found.label.as_deref() == Some("http") && self.is_here(&found)?;
        Ok(if is_here { Goes::Here } else { Goes::Elsewhere(found) })
    }

    /// Whether an `http` backend is this very state: by what `init` is told, by its block, by what is recorded, or by the environment.
    fn is_here(&self, found: &Found) -> Result<bool, Failure> {
        let told = self.invocation.backend_settings();
        let told = told.iter().rev().find_map(|setting| setting.split_once('=').filter(|(name, _)| name.trim() == "address"));
        if let Some(address) = told.map(|(_, address)| address).or(found.address.as_deref()) {
            return Ok(self.address.is(address));
        }
        let record = Record::read(self.invocation)?;
        let recorded = record.as_ref().and_then(Record::address).map(str::to_owned);
        let address = recorded.or_else(|| std::env::var_os(SETTINGS[0]).and_then(|address| address.into_string().ok()));
        Ok(address.is_some_and(|address| self.address.is(&address)))
    }
}
