//! `LOG_FORMAT`, `LOG_LEVEL`, `RUST_LOG` → where log lines go and what they look like. `main` calls it once.

use std::io::IsTerminal;

use resize_api::environment::SettingError;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};

/// Starts logging to standard output: JSON, or text for people. `RUST_LOG` filters
/// by module; without it, `LOG_LEVEL` is for the resizer and all else only warns.
pub fn init(variable: impl Fn(&str) -> Option<String>) -> Result<(), SettingError> {
    let variable = |name| variable(name).filter(|text| !text.is_empty());
    let filter = match variable("RUST_LOG") {
        Some(text) => EnvFilter::try_new(&text).map_err(|error| bad("RUST_LOG", &text, &error.to_string()))?,
        None => EnvFilter::new(format!("warn,resizer={}", level(variable("LOG_LEVEL"))?)),
    };
    let lines = fmt().with_env_filter(filter);
    match variable("LOG_FORMAT").as_deref() {
        None | Some("json") => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        // colours only on a terminal, not in files
        Some("text") => lines.with_ansi(std::io::stdout().is_terminal()).init(),
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
