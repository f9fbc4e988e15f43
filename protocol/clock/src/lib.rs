//! leasehold-clock
