//! leasehold-issuer
