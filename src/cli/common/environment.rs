//! The command line with its environment: a variable that is set to nothing is not set, as build
//! servers and container files leave them behind (`STATEKEEP_URL=`, `${X:-}`).

use clap::{Arg, Command, Parser};

use crate::cli::common::help;

/// What the arguments and the environment say, or why they make no sense.
pub(in crate::cli) fn parse<C: Parser>() -> Result<C, clap::Error> {
    let mut command = without_empty(help::complete(C::command()));
    let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
    C::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn without_empty(command: Command) -> Command {
    command
        .mut_args(forget_empty)
        .mut_subcommands(without_empty)
}

fn forget_empty(arg: Arg) -> Arg {
    let is_empty = arg
        .get_env()
        .and_then(std::env::var_os)
        .is_some_and(|value| value.is_empty());
    if is_empty {
        arg.env(None::<&'static str>)
    } else {
        arg
    }
}
