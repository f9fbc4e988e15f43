//! leasehold-issuer-core
