//! What the program does beside running: one look, on request, and an exit status. Nothing is ever written.
//!
//! `main` calls it, and it may look into every room below. `render` needs no cluster, `check` no bucket.

mod check;
mod form;
mod render;

use std::{io::Write as _, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Subcommand as _};
use resize_api::text::printable;

use self::form::Outcome;
use crate::config::Config;

/// Image of the resizer in what is rendered where none is named: the chart's own default.
const IMAGE: &str = concat!("resizer:", env!("CARGO_PKG_VERSION"));

/// What the program was asked to do.
pub enum Asked {
    /// To run as an operator.
    Run(Box<Config>),
    /// One look.
    Look(Command),
}

/// One look.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints what would be applied for ResizeEndpoints, and which routing rules would be in their buckets. Needs no cluster.
    ///
    /// The settings of the operator are taken from flags and environment, as the operator takes them: with others it may render other
    /// objects, or refuse. What only the API server checks is not checked: rules in CEL, patterns, formats, and what others hold of a cluster
    /// (claims of buckets and hosts, quotas, webhooks); `kubectl apply --dry-run=server` asks it. Two things are known only in a
    /// cluster, and left out: the owner, unless the endpoint is given with its uid, and annotations made of the Secret's keys and of the
    /// object as a whole.
    ///
    /// Exit status: 0, 1 if an endpoint would not be accepted or its rules have no place in the bucket, 2 if something could not be read.
    Render(Box<render::Arguments>),
    /// Looks at the cluster of the current kubeconfig: definition, permissions, leader, and every endpoint with what to do.
    ///
    /// Exit status: 0 if all is well, 1 if something is wrong, 2 if something could not be looked at.
    Check(check::Arguments),
}

/// Reads the command line. Ends the process with a text if that is wrong, or asks for help.
pub fn arguments() -> Asked {
    let command = command();
    let matches = command.get_matches();
    let asked = match matches.subcommand_name() {
        Some(_) => Command::from_arg_matches(&matches).map(Asked::Look),
        None => Config::from_arg_matches(&matches).map(|config| Asked::Run(Box::new(config))),
    };
    asked.unwrap_or_else(|error| error.exit())
}

fn command() -> clap::Command {
    let running = Config::command().args_conflicts_with_subcommands(true).subcommand_negates_reqs(true).max_term_width(120);
    let about = running.get_about().cloned().unwrap_or_default();
    let image = |image: clap::Arg| image.required(false).default_value(IMAGE);
    Command::augment_subcommands(running).about(about).mut_subcommand("render", |render| render.mut_arg("resizer_image", image))
}

impl Command {
    /// Looks, and prints what was seen.
    pub async fn run(self) -> ExitCode {
        let seen = match self {
            Self::Render(arguments) => Box::pin(render::run(*arguments)).await,
            Self::Check(arguments) => Box::pin(check::run(arguments)).await,
        };
        let (text, outcome) = seen.unwrap_or_else(|error| {
            eprintln!("resize-operator: {}", printable(&format!("{error:#}")));
            (String::new(), Outcome::Unseen)
        });
        // whoever reads may have seen enough
        let _ = std::io::stdout().write_all(text.as_bytes());
        outcome.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<clap::ArgMatches, clap::Error> {
        command().try_get_matches_from([&["resize-operator"], arguments].concat())
    }

    #[test]
    fn without_a_command_it_runs_as_ever_and_commands_want_no_image() {
        command().debug_assert();
        let matches = asked(&["--resizer-image", "r:1", "--resync-seconds", "60"]).unwrap();
        let config = Config::from_arg_matches(&matches).unwrap();
        assert_eq!((config.resizer_image.as_str(), config.resync_seconds), ("r:1", 60));
        assert!(matches.subcommand_name().is_none());

        let matches = asked(&["render", "-f", "-", "--s3-region", "eu-west-1"]).unwrap();
        let Command::Render(arguments) = Command::from_arg_matches(&matches).unwrap() else { panic!("not render") };
        assert_eq!(arguments.config.s3.region.as_deref(), Some("eu-west-1"));
        assert_eq!(arguments.config.resizer_image, std::env::var("RESIZER_IMAGE").unwrap_or_else(|_| IMAGE.to_owned()));
        assert!(asked(&["check"]).is_ok());
        assert!(asked(&["--resizer-image", "r:1", "check"]).is_err(), "flags of running are not those of a look");
        assert!(asked(&["render"]).is_err(), "nothing to render");
    }
}
