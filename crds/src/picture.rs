//! How pictures are made: words of the API and of the environment → [`Recipe`].
//!
//! The words are those of sharp. With the feature `kube` the fields of a `ResizeEndpoint` for it are in `spec`. `settings` and `endpoint`
//! are above, `environment` and `variant` are below.

use std::{fmt, str::FromStr};

#[cfg(feature = "kube")]
mod spec;

#[cfg(feature = "kube")]
pub use spec::{Output, Resize};

use strum::{Display, EnumString, VariantArray};

use crate::{
    Variant,
    environment::{Env, SettingError},
    words::want_one_of,
};

/// How a picture fills the size asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Fit {
    /// Fill the size, keep the ratio, cut off what is over.
    #[default]
    Cover,
    /// Lie within the size, keep the ratio, fill the rest with the background.
    Contain,
    /// As large as fits within the size, keep the ratio.
    Inside,
    /// As small as covers the size, keep the ratio.
    Outside,
    /// Fill the size, whatever becomes of the ratio.
    Fill,
}

/// What `Cover` keeps, and where `Contain` puts the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Position {
    /// The middle.
    #[default]
    Center,
    /// The middle of the upper edge.
    Top,
    /// The upper right corner.
    RightTop,
    /// The middle of the right edge.
    Right,
    /// The lower right corner.
    RightBottom,
    /// The middle of the lower edge.
    Bottom,
    /// The lower left corner.
    LeftBottom,
    /// The middle of the left edge.
    Left,
    /// The upper left corner.
    LeftTop,
}

/// How pixels of the output are mixed from those of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Kernel {
    /// The one nearest: for pixel art.
    Nearest,
    /// Linear.
    Linear,
    /// Catmull-Rom.
    Cubic,
    /// Mitchell-Netravali: soft.
    Mitchell,
    /// Lanczos with 2 lobes.
    Lanczos2,
    /// Lanczos with 3 lobes: sharp.
    #[default]
    Lanczos3,
    /// Magic Kernel Sharp 2013.
    Mks2013,
    /// Magic Kernel Sharp 2021: the sharpest without ringing.
    Mks2021,
}

impl Kernel {
    /// Every word.
    pub const ALL: &[Self] = Self::VARIANTS;
}

/// Format of what is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum OutputFormat {
    /// The original's, or PNG for an original that browsers do not show.
    #[default]
    Source,
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// GIF.
    Gif,
    /// AVIF.
    Avif,
}

impl From<Variant> for OutputFormat {
    fn from(variant: Variant) -> Self {
        match variant {
            Variant::Avif => Self::Avif,
            Variant::WebP => Self::WebP,
            Variant::Jpeg => Self::Jpeg,
            Variant::Png => Self::Png,
        }
    }
}

impl OutputFormat {
    /// Every word.
    pub const ALL: &[Self] = Self::VARIANTS;
}

/// What becomes of an animation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Animation {
    /// Its first frame.
    #[default]
    First,
    /// It stays one, where the output's format has animations.
    Keep,
}

/// How much work a byte less is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(ascii_case_insensitive, parse_err_ty = String, parse_err_fn = want_one_of::<Self>)]
#[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
pub enum Effort {
    /// Larger files in less time.
    Fast,
    /// Small files in moderate time.
    #[default]
    Balanced,
    /// The smallest files, in two to five times that.
    Small,
}

/// An opaque colour, written `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl FromStr for Colour {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or("want a colour such as #ffffff")?;
        let [_, red, green, blue] = value.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

/// A number from 1 to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpTo<const MOST: u8>(u8);

impl<const MOST: u8> UpTo<MOST> {
    /// `value`, or the bound that it is beyond.
    pub fn new(value: u8) -> Self {
        Self(value.clamp(1, MOST))
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl<const MOST: u8> FromStr for UpTo<MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let value = text.parse().ok().filter(|value| (1..=MOST).contains(value));
        value.map(Self).ok_or_else(|| format!("want a number from 1 to {MOST}"))
    }
}

/// How every picture is made: all but its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// `RESIZE_FIT`: how the picture fills the size.
    pub fit: Fit,
    /// `RESIZE_POSITION`: what is kept, or where the picture lies, when it does not have the ratio of the size.
    pub position: Position,
    /// `WITHOUT_ENLARGEMENT`: leave a picture that is smaller than the size as it is.
    pub without_enlargement: bool,
    /// `BACKGROUND`: what shows around the picture, and through it in a format without transparency.
    pub background: Colour,
    /// `KERNEL`: how pixels are mixed.
    pub kernel: Kernel,
    /// `OUTPUT_FORMAT`.
    pub format: OutputFormat,
    /// `OUTPUT_QUALITY` of JPEG, WebP and AVIF; else each format's own default.
    pub quality: Option<UpTo<100>>,
    /// `OUTPUT_PROGRESSIVE`: JPEGs that show coarse first.
    pub progressive: bool,
    /// `EFFORT`: time against bytes, in every format but GIF.
    pub effort: Effort,
    /// `AVIF_SPEED`: 1 takes the longest and gives the smallest files; else as the effort says.
    pub avif_speed: Option<UpTo<10>>,
    /// `ANIMATION`: what becomes of animations.
    pub animation: Animation,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            fit: Fit::default(),
            position: Position::default(),
            without_enlargement: false,
            background: Colour::WHITE,
            kernel: Kernel::default(),
            format: OutputFormat::default(),
            quality: None,
            progressive: false,
            effort: Effort::default(),
            avif_speed: None,
            animation: Animation::default(),
        }
    }
}

impl Recipe {
    /// Reads the recipe from `variable`, which gives the value of an environment variable if it is set.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        let env = Env(&variable);
        let mut recipe = Self::default();
        env.read("RESIZE_FIT", &mut recipe.fit)?;
        env.read("RESIZE_POSITION", &mut recipe.position)?;
        env.read("WITHOUT_ENLARGEMENT", &mut recipe.without_enlargement)?;
        env.read("BACKGROUND", &mut recipe.background)?;
        env.read("KERNEL", &mut recipe.kernel)?;
        env.read("OUTPUT_FORMAT", &mut recipe.format)?;
        recipe.quality = env.optional("OUTPUT_QUALITY")?;
        env.read("OUTPUT_PROGRESSIVE", &mut recipe.progressive)?;
        env.read("EFFORT", &mut recipe.effort)?;
        recipe.avif_speed = env.optional("AVIF_SPEED")?;
        env.read("ANIMATION", &mut recipe.animation)?;
        Ok(recipe)
    }

    /// From 1 to 10, how fast AVIFs are written.
    pub fn speed(&self) -> u8 {
        let of_effort = match self.effort {
            Effort::Fast => 9,
            Effort::Balanced => 7,
            Effort::Small => 6,
        };
        self.avif_speed.map_or(of_effort, UpTo::get)
    }

    /// The variables that say something else than the default, by name. They name what is made for good:
    /// a variable that a later release adds is not among them until somebody sets it.
    pub fn differences(&self) -> Vec<(&'static str, String)> {
        // a speed that the effort has anyway makes no other picture
        let of_effort = Self { avif_speed: None, ..*self };
        let this = if self.speed() == of_effort.speed() { &of_effort } else { self };
        let both = this.variables().into_iter().zip(Self::default().variables());
        let mut differing: Vec<_> = both.filter(|(ours, default)| ours != default).map(|(ours, _)| ours).collect();
        differing.sort_unstable();
        differing
    }

    /// Every variable that [`Recipe::from_env`] reads, with the value that says this; an empty one counts as not set.
    pub(crate) fn variables(&self) -> [(&'static str, String); 11] {
        [
            ("RESIZE_FIT", self.fit.to_string()),
            ("RESIZE_POSITION", self.position.to_string()),
            ("WITHOUT_ENLARGEMENT", self.without_enlargement.to_string()),
            ("BACKGROUND", self.background.to_string()),
            ("KERNEL", self.kernel.to_string()),
            ("OUTPUT_FORMAT", self.format.to_string()),
            ("OUTPUT_QUALITY", self.quality.map(|quality| quality.get().to_string()).unwrap_or_default()),
            ("OUTPUT_PROGRESSIVE", self.progressive.to_string()),
            ("EFFORT", self.effort.to_string()),
            ("AVIF_SPEED", self.avif_speed.map(|speed| speed.get().to_string()).unwrap_or_default()),
            ("ANIMATION", self.animation.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Recipe, SettingError> {
        Recipe::from_env(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn reads_the_words_in_any_case() {
        let recipe = read(&[("RESIZE_FIT", "contain"), ("RESIZE_POSITION", "RIGHTTOP"), ("KERNEL", "Mks2013"), ("BACKGROUND", "#FF8000")]);
        let expected = Recipe {
            fit: Fit::Contain,
            position: Position::RightTop,
            kernel: Kernel::Mks2013,
            background: Colour([255, 128, 0]),
            ..Recipe::default()
        };
        assert_eq!(recipe, Ok(expected));
        assert_eq!(read(&[]), Ok(Recipe::default()));
    }

    #[test]
    fn names_the_bad_variable() {
        for (name, value, says) in [
            ("RESIZE_FIT", "crop", "want one of Cover, Contain, Inside, Outside, Fill"),
            ("RESIZE_POSITION", "middle", "Center"),
            ("WITHOUT_ENLARGEMENT", "yes", "true"),
            ("BACKGROUND", "white", "such as #ffffff"),
            ("BACKGROUND", "#fff", "such as #ffffff"),
            ("BACKGROUND", "#+12345", "such as #ffffff"),
            ("KERNEL", "lanczos", "Lanczos3"),
            ("OUTPUT_FORMAT", "jpg", "Jpeg"),
            ("OUTPUT_QUALITY", "0", "from 1 to 100"),
            ("OUTPUT_QUALITY", "101", "from 1 to 100"),
            ("OUTPUT_PROGRESSIVE", "1", "true"),
            ("EFFORT", "slow", "want one of Fast, Balanced, Small"),
            ("AVIF_SPEED", "11", "from 1 to 10"),
            ("ANIMATION", "all", "First, Keep"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.name == name && error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        fn check<T: Copy + PartialEq + fmt::Debug + fmt::Display + FromStr<Err = String>>(all: &[T]) {
            for word in all {
                assert_eq!(word.to_string().parse(), Ok(*word));
            }
        }
        check(Fit::VARIANTS);
        check(Position::VARIANTS);
        check(Kernel::VARIANTS);
        check(OutputFormat::VARIANTS);
        check(Animation::VARIANTS);
        check(Effort::VARIANTS);
    }

    #[test]
    fn a_speed_of_avif_goes_before_the_effort() {
        for (variables, speed, differences) in [
            (&[][..], 7, ""),
            (&[("EFFORT", "Fast")], 9, "EFFORT=Fast"),
            (&[("EFFORT", "small")], 6, "EFFORT=Small"),
            (&[("AVIF_SPEED", "7")], 7, ""),
            (&[("AVIF_SPEED", "5")], 5, "AVIF_SPEED=5"),
            (&[("AVIF_SPEED", "7"), ("EFFORT", "Small")], 7, "AVIF_SPEED=7 EFFORT=Small"),
        ] {
            let recipe = read(variables).unwrap();
            let said: Vec<_> = recipe.differences().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!((recipe.speed(), said.join(" ").as_str()), (speed, differences), "{variables:?}");
        }
    }
}
