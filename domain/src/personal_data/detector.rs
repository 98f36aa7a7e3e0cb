//! The kinds of personal data and secrets that are looked for.

use serde::{Deserialize, Serialize};

/// What kind of personal data or secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    Email,
    Phone,
    /// A social security number of the United States.
    Ssn,
    CreditCard,
    Iban,
    IpAddress,
    AwsAccessKeyId,
    PrivateKey,
    Jwt,
    GithubToken,
}

impl Detector {
    pub const ALL: [Self; 10] = [
        Self::Email,
        Self::Phone,
        Self::Ssn,
        Self::CreditCard,
        Self::Iban,
        Self::IpAddress,
        Self::AwsAccessKeyId,
        Self::PrivateKey,
        Self::Jwt,
        Self::GithubToken,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Ssn => "ssn",
            Self::CreditCard => "credit_card",
            Self::Iban => "iban",
            Self::IpAddress => "ip_address",
            Self::AwsAccessKeyId => "aws_access_key_id",
            Self::PrivateKey => "private_key",
            Self::Jwt => "jwt",
            Self::GithubToken => "github_token",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detector| detector.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_has_one_name_for_people_and_for_serde() {
        for detector in Detector::ALL {
            assert_eq!(Detector::parse(detector.as_str()), Some(detector));
            let json = serde_json::to_value(detector).unwrap();
            assert_eq!(json, detector.as_str());
        }
        assert_eq!(Detector::parse("passport"), None);
    }
}
