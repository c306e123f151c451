"""Read models of payments."""

from projections.payment.payments import PAYMENTS

READ_MODELS = (PAYMENTS,)
