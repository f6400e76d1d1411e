//! The resizer: makes a missing size of a picture once, stores it beside the original, and redirects to it or shows it.
//!
//! [`http`] and [`derivative`] read as the whole flow: key → policy → fetch → plan → admit → resize → store → redirect. Below them
//! stands what all requests share, [`service`], and below that [`guard`], [`store`] and [`watch`]; docs/development.md has their order. Only
//! [`store::s3`], [`store::website`], [`http::server`] and [`watch::traces`] touch the network; pictures are made by the crate `picture`.

#![forbid(unsafe_code)]

pub mod command;
pub mod derivative;
pub mod error;
pub mod guard;
pub mod http;
pub mod lifecycle;
pub mod outcome;
pub mod self_check;
pub mod service;
pub mod store;
pub mod watch;
