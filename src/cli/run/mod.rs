//! `statekeep run`.

mod args;
mod command;
mod generated;
mod handed;
mod initial;
mod left;
mod login;
mod moves;
mod refusals;
mod stop;
mod terragrunt;
mod wrapped;

pub(super) use args::RunArgs;
pub(super) use command::{NOT_RUN, run};
