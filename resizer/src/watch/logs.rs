//! `LOG_FORMAT`, `LOG_LEVEL`, `RUST_LOG` → where log lines go and what they look like. `main` calls it once.

use std::io::{self, IsTerminal};

use resize_api::environment::SettingError;
use tracing_subscriber::{
    EnvFilter,
    filter::LevelFilter,
    fmt::{self, writer::BoxMakeWriter},
};

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output: of a service they are all that it says.
    Stdout,
    /// Standard error: the output of a command is its result.
    Stderr,
}

impl Output {
    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    fn writer(self) -> BoxMakeWriter {
        match self {
            Self::Stdout => BoxMakeWriter::new(io::stdout),
            Self::Stderr => BoxMakeWriter::new(io::stderr),
        }
    }
}

/// Starts logging to `output`: JSON, or text for people. `RUST_LOG` filters
/// by module; without it, `LOG_LEVEL` is for the resizer and all else only warns.
pub fn init(variable: impl Fn(&str) -> Option<String>, output: Output) -> Result<(), SettingError> {
    let variable = |name| variable(name).filter(|text| !text.is_empty());
    let filter = match variable("RUST_LOG") {
        Some(text) => EnvFilter::try_new(&text).map_err(|error| bad("RUST_LOG", &text, &error.to_string()))?,
        None => EnvFilter::new(format!("warn,resizer={}", level(variable("LOG_LEVEL"))?)),
    };
    let lines = fmt::fmt().with_env_filter(filter).with_writer(output.writer());
    let format = variable("LOG_FORMAT");
    match format.as_deref() {
        // a command that somebody looks at
        None if output == Output::Stderr && output.is_terminal() => lines.with_ansi(true).init(),
        None | Some("json") => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        // colours only on a terminal, not in files
        Some("text") => lines.with_ansi(output.is_terminal()).init(),
        Some(other) => return Err(bad("LOG_FORMAT", other, "want json or text")),
    }
    Ok(())
}

fn level(text: Option<String>) -> Result<LevelFilter, SettingError> {
    let Some(text) = text else { return Ok(LevelFilter::INFO) };
    text.parse().map_err(|_| bad("LOG_LEVEL", &text, "want error, warn, info, debug or trace"))
}

fn bad(name: &'static str, text: &str, problem: &str) -> SettingError {
    SettingError { name, problem: format!("`{text}`: {problem}") }
}
