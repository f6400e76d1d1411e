//! Enums whose variants are words.

/// An enum whose variants are words, written the same in the API and in the environment.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $word:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "kube", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
        pub enum $name {
            $($(#[$meaning])* $word,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$word),+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$word => stringify!($word)),+ })
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|word| word.to_string().eq_ignore_ascii_case(text)).copied();
                found.ok_or_else(|| format!("want one of {}", [$(stringify!($word)),+].join(", ")))
            }
        }
    };
}
pub(crate) use words;
