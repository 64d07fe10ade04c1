"""Past one machine: S3 Batch Operations put a plan's delete markers, through a Lambda function that keeps the conditions.

``manifest`` says to which objects, ``job`` what is asked of AWS, ``function`` is what runs there for each object, ``report`` what
came of it, ``markers`` the family of actions that sends a job and reads its report back into the journal, and ``engine`` what
commands use. S3 Batch Operations has no operation that deletes, and its own copy honours no condition: everything else of a plan is
done from here.
"""
