//! The profiles that come with the crate.

use std::error::Error;
use std::fmt;

use super::Profile;
use crate::near::near;

impl Profile {
    /// The profile of this name that comes with the crate.
    ///
    /// ```
    /// use pool_tls::spec::Profile;
    ///
    /// let chromium = Profile::built_in("chromium-156")?;
    /// let hello = chromium.hello.as_ref().expect("it has one of its own");
    /// assert_eq!(hello.ja4().to_string(), "t13d1517h2_8daaf6152771_cb7bf5808d99");
    ///
    /// let error = Profile::built_in("chromium-155").unwrap_err();
    /// assert_eq!(error.near(), ["chromium-156"]);
    /// # Ok::<(), pool_tls::spec::UnknownProfile>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is none: the error says which names are near, and which there are.
    pub fn built_in(name: &str) -> Result<Self, UnknownProfile> {
        if name == Self::native().id.as_str() {
            return Ok(Self::native());
        }
        let found = FILES.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| UnknownProfile {
            name: name.to_owned(),
        })?;
        Ok(Self::from_toml(text).expect("the files are made by this crate, and a test reads them"))
    }

    /// The names of the profiles that come with the crate, `native` among them.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        let files = FILES.iter().map(|(name, _)| *name);
        files.chain(["native"])
    }
}

/// The files, by name.
const FILES: &[(&str, &str)] = &[
    (
        "chromium-156",
        include_str!("../../profiles/chromium-156.toml"),
    ),
    (
        "firefox-esr-153",
        include_str!("../../profiles/firefox-esr-153.toml"),
    ),
];

/// There is no built-in profile of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProfile {
    name: String,
}

impl UnknownProfile {
    /// The names that may have been meant, the nearest first.
    pub fn near(&self) -> Vec<&'static str> {
        near(&self.name, Profile::built_in_names())
    }
}

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no built-in profile named `{}`", self.name)?;
        let near = self.near();
        if !near.is_empty() {
            write!(f, "; did you mean `{}`?", near.join("` or `"))?;
        }
        let names: Vec<&str> = Profile::built_in_names().collect();
        write!(f, " (there are {})", names.join(", "))
    }
}

impl Error for UnknownProfile {}
