//! How visitors get pictures: words of the API and of the environment → [`Delivery`]. A part of `settings` and `endpoint` above; below
//! is `environment`.

#[cfg(feature = "kube")]
use kube::KubeSchema;
#[cfg(feature = "kube")]
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantArray};

use crate::{
    environment::{Env, SettingError},
    words::want_one_of,
};

/// What the resizer says, as `{"message": …}`, of an original that is missing or not published. With `Direct` the operator knows it by that.
pub const NOT_FOUND: &str = "Not Found: Original image not found";

/// Who answers a visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(Serialize, Deserialize, schemars::JsonSchema))]
pub enum DeliveryMode {
    /// The bucket's website: it sends a missing size to the resizer, which makes it and redirects back.
    #[default]
    Redirect,
    /// The resizer, alone or as the origin of a CDN: the bucket needs no website and may be private.
    Direct,
}

/// How visitors get pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "kube", derive(KubeSchema, Serialize, Deserialize), serde(rename_all = "camelCase"))]
#[cfg_attr(feature = "kube", x_kube(
    validation = Rule::new("self.mode == 'Direct' || !self.originals").message("originals: needs mode Direct; with Redirect the bucket serves them"),
    validation = Rule::new("self.mode == 'Direct' || !self.negotiate").message("negotiate: needs mode Direct; a bucket's website cannot choose by Accept"),
    validation = Rule::new("self.mode == 'Direct' || self.revalidate").message("revalidate: needs mode Direct"),
))]
pub struct Delivery {
    /// Who answers visitors. `Redirect`: the bucket's public website, which sends a missing size to the resizer and serves it itself from then on. `Direct`: the resizer, as the origin of a CDN or alone; the bucket may be private and needs no website, and the operator never calls S3.
    #[cfg_attr(feature = "kube", serde(default))]
    pub mode: DeliveryMode,

    /// With `Direct`: answer with the originals too, under their own keys.
    #[cfg_attr(feature = "kube", serde(default))]
    pub originals: bool,

    /// With `Direct`: choose among `output.variants` by what the visitor's `Accept` header names; answers carry `Vary: Accept`.
    #[cfg_attr(feature = "kube", serde(default))]
    pub negotiate: bool,

    /// With `Direct`: look at the original before what is stored is shown, so that nothing stale ever is. `false` saves that request to the store where originals never change.
    #[cfg_attr(feature = "kube", serde(default = "yes"))]
    pub revalidate: bool,
}

#[cfg(feature = "kube")]
fn yes() -> bool {
    true
}

impl Default for Delivery {
    fn default() -> Self {
        Self { mode: DeliveryMode::Redirect, originals: false, negotiate: false, revalidate: true }
    }
}

impl Delivery {
    /// Whether the resizer itself answers visitors.
    pub fn is_direct(self) -> bool {
        self.mode == DeliveryMode::Direct
    }

    pub(crate) fn read<F: Fn(&str) -> Option<String>>(&mut self, env: &Env<'_, F>) -> Result<(), SettingError> {
        env.read("DELIVERY_MODE", &mut self.mode)?;
        env.read("DELIVERY_ORIGINALS", &mut self.originals)?;
        env.read("DELIVERY_NEGOTIATE", &mut self.negotiate)?;
        env.read("DELIVERY_REVALIDATE", &mut self.revalidate)?;
        let default = Self::default();
        for (name, differs) in [
            ("DELIVERY_ORIGINALS", self.originals != default.originals),
            ("DELIVERY_NEGOTIATE", self.negotiate != default.negotiate),
            ("DELIVERY_REVALIDATE", self.revalidate != default.revalidate),
        ] {
            if differs && !self.is_direct() {
                return Err(SettingError { name, problem: "needs DELIVERY_MODE=Direct".to_owned() });
            }
        }
        Ok(())
    }

    pub(crate) fn variables(self) -> [(&'static str, String); 4] {
        [
            ("DELIVERY_MODE", self.mode.to_string()),
            ("DELIVERY_ORIGINALS", self.originals.to_string()),
            ("DELIVERY_NEGOTIATE", self.negotiate.to_string()),
            ("DELIVERY_REVALIDATE", self.revalidate.to_string()),
        ]
    }
}
