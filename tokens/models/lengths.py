"""Declare the lengths of columns that several tables have, in characters.

`tokens.origin` declares those of the columns that hold a request's headers.
"""

NAME_LENGTH = 254
REASON_LENGTH = 500
# The name that users give a device.
DEVICE_NAME_LENGTH = 60
JTI_LENGTH = 255
REQUEST_ID_LENGTH = 64
# The highest number that a column of counts holds.
HIGHEST_COUNT = 2**31 - 1
